package darklaunch_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// faultKind is one way in which the i-th call to a store fails.
type faultKind struct {
	name  string
	fault memory.Fault
}

var faultKinds = []faultKind{
	{"error", memory.Fault{Kind: memory.NotApplied}},
	{"timeout, applied", memory.Fault{Kind: memory.TimeoutApplied}},
	{"timeout, never applied", memory.Fault{Kind: memory.TimeoutLater}},
}

// outcome is what a client was told.
type outcome struct {
	found bool
	data  string
	err   error
}

type operationCase struct {
	name string
	// want is the session afterwards where the operation was acknowledged;
	// empty: missing.
	want string
	do   func(*darklaunch.Door, kinds.Ref) outcome
}

var operationCases = []operationCase{
	{"get", "before", func(d *darklaunch.Door, r kinds.Ref) outcome {
		s, found, err := d.Get(context.Background(), r)
		return outcome{found, string(s.Data), err}
	}},
	{"set", "after", func(d *darklaunch.Door, r kinds.Ref) outcome {
		return outcome{true, "", d.Set(context.Background(), r, backends.Session{Data: []byte("after"), Deadline: time.Now().Add(time.Hour)})}
	}},
	{"touch", "before", func(d *darklaunch.Door, r kinds.Ref) outcome {
		found, err := d.Touch(context.Background(), r, time.Now().Add(2*time.Hour))
		return outcome{found, "", err}
	}},
	{"delete", "", func(d *darklaunch.Door, r kinds.Ref) outcome {
		found, err := d.Delete(context.Background(), r)
		return outcome{found, "", err}
	}},
	{"add", "after", func(d *darklaunch.Door, r kinds.Ref) outcome {
		stored, err := d.Add(context.Background(), r, backends.Session{Data: []byte("after"), Deadline: time.Now().Add(time.Hour)})
		return outcome{stored, "", err}
	}},
	{"edit", "after", func(d *darklaunch.Door, r kinds.Ref) outcome {
		found := false
		err := d.Edit(context.Background(), r, func(s backends.Session, is bool) (edit.Change, error) {
			found = is && string(s.Data) == "before"
			s.Data = []byte("after")
			return edit.Write(s), nil
		})
		return outcome{found, "", err}
	}},
	{"edit that deletes", "", func(d *darklaunch.Door, r kinds.Ref) outcome {
		found := false
		err := d.Edit(context.Background(), r, func(_ backends.Session, is bool) (edit.Change, error) {
			found = is
			return edit.Delete(), nil
		})
		return outcome{found, "", err}
	}},
	{"edit that touches", "before", func(d *darklaunch.Door, r kinds.Ref) outcome {
		found := false
		err := d.Edit(context.Background(), r, func(s backends.Session, is bool) (edit.Change, error) {
			found = is
			return edit.Touch(s.Deadline.Add(time.Hour)), nil
		})
		return outcome{found, "", err}
	}},
	{"lock", "before", func(d *darklaunch.Door, r kinds.Ref) outcome {
		granted, err := d.Lock(context.Background(), r, kinds.Owner{Client: "me", Conn: 1}, 10*time.Second)
		return outcome{granted, "", err}
	}},
	{"unlock", "before", func(d *darklaunch.Door, r kinds.Ref) outcome {
		d.Lock(context.Background(), r, kinds.Owner{Client: "me", Conn: 1}, 10*time.Second)
		released, err := d.Unlock(context.Background(), r, kinds.Owner{Client: "me", Conn: 1})
		return outcome{released, "", err}
	}},
}

// TestEachCallFails lets the i-th call to one store fail, for i = 1, 2, … until
// the operation needs no more, in every position, for every operation and kind
// of failure. The reply is then asserted, what both stores hold, and what they
// hold once repairs are done.
func TestEachCallFails(t *testing.T) {
	for _, p := range position.All() {
		for _, settled := range []bool{false, true} {
			if settled && p != position.ReadNew {
				continue
			}
			for _, oc := range operationCases {
				for side := range 2 {
					for _, fk := range faultKinds {
						name := fmt.Sprintf("%v/settled=%v/%s/%s/%s", p, settled, oc.name, []string{"old", "new"}[side], fk.name)
						t.Run(name, func(t *testing.T) {
							for i := uint64(1); ; i++ {
								hit := false
								synctest.Test(t, func(t *testing.T) { hit = eachCall(t, p, settled, oc, side, fk, i) })
								if !hit || t.Failed() {
									break
								}
								if i > 20 {
									t.Fatal("an operation makes more than 20 calls to one store")
								}
							}
						})
					}
				}
			}
		}
	}
}

// eachCall runs one operation whose i-th call to one store fails; false: it
// makes fewer calls than i.
func eachCall(t *testing.T, p position.Position, settled bool, oc operationCase, side int, fk faultKind, i uint64) bool {
	r := newRig(t, 1, p)
	if settled {
		r.publish(p, func(d *flags.Definition) { d.Settled = flags.Buckets })
		synctest.Wait()
	}
	ctx := context.Background()
	s := ref("one")
	before := backends.Session{Data: []byte("before"), Deadline: time.Now().Add(time.Hour)}
	for j, st := range []*memory.Store{r.old, r.new} {
		before.Key = []backends.Key{s.OldKey(), s.NewKey()}[j]
		if oc.name == "add" || p == position.Off && j == 1 {
			continue
		}
		if err := st.Set(ctx, before); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	calls, hit := uint64(0), false
	r.faults[side].set(func(c memory.Call) memory.Fault {
		if c.Op == memory.OpHealth || c.Op == memory.OpGet && backends.OwnKey(c.Key) {
			return memory.Fault{} // of nobody's operation
		}
		mu.Lock()
		defer mu.Unlock()
		calls++
		if calls == i {
			hit = true
			return fk.fault
		}
		return memory.Fault{}
	})
	d := r.layers[0].Door("library")
	got := oc.do(d, s)
	mu.Lock()
	wasHit := hit
	mu.Unlock()
	state := fmt.Sprintf("call %d: told found %v, %q, %v", i, got.found, got.data, got.err)

	oldRec, newRec := read(t, r.old, s.OldKey()), read(t, r.new, s.NewKey())
	marks, _ := r.old.Marks(ctx, s.OldKey())
	st := r.layers[0].Status()
	switch oc.name {
	case "lock", "unlock":
	default:
		assertReply(t, p, oc, got, wasHit, side, state)
		if got.err == nil && oc.name != "get" {
			assertKept(t, p, settled, oc.want, oldRec, newRec, len(marks) > 0, st, state)
		}
		for _, rec := range []backends.Record{oldRec, newRec} {
			if rec.Found && string(rec.Data) != "before" && string(rec.Data) != "after" {
				t.Errorf("%s: a store holds %q", state, rec.Data)
			}
		}
	}
	if (oc.name == "lock" || oc.name == "unlock") && got.err == nil && wasHit && fk.name == "error" && oc.name == "lock" && got.found {
		// Granted although a call failed: only if it was not the decider's.
		t.Errorf("%s: granted although a call that decides failed", state)
	}

	// Later: what was owed is mended, and what was acknowledged is there.
	r.faults[side].set(nil)
	time.Sleep(time.Minute)
	if got.err == nil && oc.name != "lock" && oc.name != "unlock" {
		gotLater, found, err := d.Get(ctx, s)
		if err != nil || found != (oc.want != "") || string(gotLater.Data) != oc.want {
			t.Errorf("%s: a minute later: found %v, %q, %v, want %q", state, found, gotLater.Data, err, oc.want)
		}
		if ms, _ := r.old.Marks(ctx, s.OldKey()); len(ms) > 0 && (p == position.Fenced || p == position.ReadNew) && st.Behind == false {
			t.Errorf("%s: a minute later the mark still stands", state)
		}
		if p == position.Fenced || p == position.ReadNew && !st.Behind {
			n := read(t, r.new, s.NewKey())
			if n.Found != (oc.want != "") || n.Found && string(n.Data) != oc.want {
				t.Errorf("%s: a minute later new holds %v %q, want %q", state, n.Found, n.Data, oc.want)
			}
		}
	}
	r.stop()
	return wasHit
}

func read(t *testing.T, s *memory.Store, k backends.Key) backends.Record {
	t.Helper()
	rec, err := s.Read(context.Background(), k)
	if err != nil {
		// The injected fault met this look: look again.
		if rec, err = s.Read(context.Background(), k); err != nil {
			t.Fatal(err)
		}
	}
	return rec
}

// assertReply: what a client may be told when one call failed.
func assertReply(t *testing.T, p position.Position, oc operationCase, got outcome, hit bool, side int, state string) {
	t.Helper()
	if oc.name == "get" && got.err == nil && (!got.found || got.data != "before") {
		t.Errorf("%s: a live session must be found, or the answer an error", state)
	}
	if got.err == nil && !got.found {
		t.Errorf("%s: told that it is missing", state)
	}
	if !hit && got.err != nil {
		t.Errorf("%s: an error though no call failed", state)
	}
	if hit && got.err != nil && side == 1 {
		switch p {
		case position.Off, position.Mirror, position.Fenced:
			t.Errorf("%s: an error because of new", state)
		case position.ReadNew:
			t.Errorf("%s: an error because of new, though old can answer", state)
		}
	}
	if hit && got.err != nil && side == 0 && p == position.Cutover {
		t.Errorf("%s: an error because of old in cutover", state)
	}
}

// assertKept: an acknowledged write is where readers look for it, in every
// position that a neighbour may be in.
func assertKept(t *testing.T, p position.Position, settled bool, want string, older, newer backends.Record, marked bool, st darklaunch.Status, state string) {
	t.Helper()
	inOld := older.Found == (want != "") && (!older.Found || string(older.Data) == want)
	inNew := newer.Found == (want != "") && (!newer.Found || string(newer.Data) == want)
	ok := false
	switch p {
	case position.Off, position.Mirror:
		ok = inOld
	case position.Fenced:
		ok = inOld && (inNew || marked)
	case position.ReadNew:
		ok = inOld && (inNew || marked) || settled && inNew && st.Behind
	case position.Sealed:
		ok = inOld && inNew
	case position.Cutover:
		ok = inNew
	case position.Back:
		ok = inNew && (inOld || st.DirtyOld > 0)
	}
	if !ok {
		t.Errorf("%s: acknowledged, but old %v, new %v, marked %v, behind %v, dirty old %d", state, inOld, inNew, marked, st.Behind, st.DirtyOld)
	}
}
