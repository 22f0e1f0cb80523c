package darklaunch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/census"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// followed are ids of sessions that every agent follows.
func followed(r *rig, n int) (ids []string) {
	for i := 0; len(ids) < n; i++ {
		id := fmt.Sprintf("f%d", i)
		if h, _ := r.layers[0].Position(ref(id)); census.Takes(h, census.Rate) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (r *rig) verdict(id string) string {
	h, _ := r.layers[0].Position(ref(id))
	for _, s := range r.layers[0].WouldBeLogouts().Sessions {
		if s.Hash == h {
			return s.Verdict.String()
		}
	}
	return "none"
}

// TestWouldBeLogouts: what the agent says of a session that it follows, for what
// can become of it.
func TestWouldBeLogouts(t *testing.T) {
	for _, p := range []position.Position{position.Mirror, position.Fenced, position.ReadNew} {
		bubble(t, 1, p, func(t *testing.T, r *rig, d []*darklaunch.Door) {
			want := func(id, verdict string) {
				t.Helper()
				r.get(d[0], id)
				time.Sleep(time.Second)
				if got := r.verdict(id); got != verdict {
					t.Errorf("%v: %s, want %s", p, got, verdict)
				}
			}
			id := followed(r, 2)
			set(t, d[0], id[0], "x")
			want(id[0], "kept")
			// Somebody has taken it out of new. In read-new the next look finds it
			// refilled, unless copies do not arrive.
			r.new.Delete(bg, ref(id[0]).NewKey())
			verdict := "lost"
			if p == position.ReadNew {
				verdict = "kept"
			}
			want(id[0], verdict)
			// New cannot say.
			r.new.Delete(bg, ref(id[0]).NewKey())
			r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
			want(id[0], "unknown")
			r.faults[1].set(nil)
			time.Sleep(5 * time.Second)
			// Logged out, here or behind our back.
			if _, err := d[0].Delete(bg, ref(id[0])); err != nil {
				t.Fatal(err)
			}
			want(id[0], "gone")
			set(t, d[0], id[1], "x")
			want(id[1], "kept")
			r.old.Delete(bg, ref(id[1]).OldKey())
			r.new.Delete(bg, ref(id[1]).NewKey())
			want(id[1], "gone")
			// Of a session that nobody follows nothing is kept, nor of one whose
			// deadline has passed.
			set(t, d[0], "one", "x")
			r.get(d[0], "one")
			if n := len(r.layers[0].WouldBeLogouts().Sessions); n != 2 {
				t.Errorf("%v: %d sessions are remembered, want 2", p, n)
			}
			time.Sleep(2 * time.Hour)
			if n := len(r.layers[0].WouldBeLogouts().Sessions); n != 0 {
				t.Errorf("%v: %d sessions are remembered after their deadlines", p, n)
			}
		})
	}
}

// get reads, and does not judge.
func (r *rig) get(d *darklaunch.Door, id string) { d.Get(bg, ref(id)) }

// TestBypass: a write past the layer is told as one, and only where nothing else
// can have been it.
func TestBypass(t *testing.T) {
	run := func(checked bool, p position.Position) (causes []string, counted int64) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 1, p, func(o *darklaunch.Options) { o.CompareRatio = 1 })
			d := r.layers[0].Door("library")
			set(t, d, "one", "x")
			time.Sleep(time.Second)
			if checked {
				r.layers[0].Verified(r.layers[0].Status().AllDirtied)
			}
			s := hourly("y")
			s.Key = ref("one").OldKey()
			if err := r.old.Set(bg, s); err != nil {
				t.Fatal(err)
			}
			r.get(d, "one")
			time.Sleep(time.Second)
			for _, v := range r.layers[0].Divergences() {
				causes = append(causes, v.Cause)
			}
			counted = r.layers[0].Status().Bypassed
		})
		return causes, counted
	}
	for _, tt := range []struct {
		checked bool
		p       position.Position
		want    string
		n       int64
	}{{true, position.Fenced, "[bypass]", 1}, {true, position.ReadNew, "[bypass]", 1}, {false, position.Fenced, "[unknown]", 0}, {true, position.Mirror, "[unknown]", 0}} {
		causes, n := run(tt.checked, tt.p)
		if fmt.Sprint(causes) != tt.want || n != tt.n {
			t.Errorf("verified %v, %v: causes %v, counted %d, want %s and %d", tt.checked, tt.p, causes, n, tt.want, tt.n)
		}
	}
}

// TestTombstonesStanding: counted when they are written, until they run out.
func TestTombstonesStanding(t *testing.T) {
	bubble(t, 1, position.Fenced, func(t *testing.T, r *rig, d []*darklaunch.Door) {
		for _, id := range []string{"one", "two"} {
			set(t, d[0], id, "x")
			if _, err := d[0].Delete(bg, ref(id)); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.layers[0].Status().Tombstones; n != 2 {
			t.Errorf("%d tombstones stand, want 2", n)
		}
		time.Sleep(time.Minute)
		if n := r.layers[0].Status().Tombstones; n != 0 {
			t.Errorf("%d tombstones stand after their time", n)
		}
	})
}
