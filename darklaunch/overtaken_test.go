package darklaunch_test

import (
	"errors"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// overtakenEdit has an edit of a session that holds 1 find, before it can write
// new, that between did something there.
func overtakenEdit(t *testing.T, p position.Position, fn edit.Func, between func(r *rig), after func(r *rig, err error)) {
	t.Helper()
	bubble(t, 1, p, func(t *testing.T, r *rig, d []*darklaunch.Door) {
		set(t, d[0], "one", "1")
		time.Sleep(time.Second)
		done := false
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if (c.Op == memory.OpGuardRevive || c.Op == memory.OpGuardBury) && !done {
				done = true
				between(r)
			}
			return memory.Fault{}
		})
		err := d[0].Edit(bg, ref("one"), fn)
		if r.faults[1].set(nil); !done {
			t.Fatalf("%v: new was not written by a token", p)
		}
		after(r, err)
	})
}

func (r *rig) putNew(data string) {
	must(r.t, r.new.Set(bg, backends.Session{Key: ref("one").NewKey(), Data: []byte(data), Deadline: time.Now().Add(time.Hour)}))
}

func (r *rig) putOld(data string) {
	must(r.t, r.old.Set(bg, backends.Session{Key: ref("one").OldKey(), Data: []byte(data), Deadline: time.Now().Add(time.Hour)}))
}

func remove(_ backends.Session, found bool) (edit.Change, error) {
	if !found {
		return edit.Leave(), errors.New("there is none")
	}
	return edit.Delete(), nil
}

// TestOvertakenInFenced: a copy that comes between the halves of an edit in fenced
// is written over; what somebody wrote in old meanwhile goes to new. Nothing failed,
// so no mark is left for readers to see.
func TestOvertakenInFenced(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fn      edit.Func
		between func(*rig)
		want    string
	}{
		{"by a copy", count, func(r *rig) { r.putNew("1") }, "2"},
		{"by a copy, of a removal", remove, func(r *rig) { r.putNew("1") }, ""},
		{"by somebody's write", count, func(r *rig) { r.putOld("7"); r.putNew("7") }, "7"},
		{"while somebody writes", count, func(r *rig) { r.putOld("7"); r.putNew("1") }, "7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			overtakenEdit(t, position.Fenced, tt.fn, tt.between, func(r *rig, err error) {
				if err != nil {
					t.Fatal(err)
				}
				if got := r.inNew("one"); got != tt.want {
					t.Errorf("new holds %q, want %q", got, tt.want)
				}
				if n := r.marks("one"); n != 0 {
					t.Errorf("%d marks stand", n)
				}
			})
		})
	}
}

// TestOvertakenInReadNew: who wrote the same to new alone has perhaps done what we
// have done, and of both nobody may be told that it was they.
func TestOvertakenInReadNew(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fn      edit.Func
		between func(*rig)
		ok      bool
	}{
		{"the same count in new alone", count, func(r *rig) { r.putNew("2") }, false},
		{"the same removal in new alone", remove, func(r *rig) { _, err := r.new.Bury(bg, ref("one").NewKey(), time.Hour); must(r.t, err) }, false},
		{"somebody came after us, in both", count, func(r *rig) { r.putOld("3"); r.putNew("3") }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			overtakenEdit(t, position.ReadNew, tt.fn, tt.between, func(_ *rig, err error) {
				if (err == nil) != tt.ok {
					t.Errorf("the edit came to %v", err)
				}
			})
		})
	}
}
