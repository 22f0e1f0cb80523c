package darklaunch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/lease"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// makeRecord is what whoever moves the ramp does.
func (r *rig) makeRecord(t testing.TB) {
	t.Helper()
	if err := r.tryRecord(t); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) tryRecord(t testing.TB) error {
	t.Helper()
	notes, ok := backends.NotesOf(r.old, "test")
	if !ok {
		t.Fatal("old holds no notes")
	}
	var lives []string
	for _, l := range r.layers {
		lives = append(lives, l.Status().Start)
	}
	unmarked := func(context.Context) (bool, error) {
		n := 0
		err := r.old.Scan(bg, backends.MarksPrefix("test"), func(names []string) error { n += len(names); return nil })
		return n == 0, err
	}
	_, err := lease.Make(bg, notes, lives, unmarked)
	return err
}

// looks counts the looks at marks in old.
func looks(r *rig) (count func() int) {
	var n atomic.Int64
	r.faults[0].set(func(c memory.Call) memory.Fault {
		if c.Op == memory.OpMarks {
			n.Add(1)
		}
		return memory.Fault{}
	})
	return func() int { return int(n.Swap(0)) }
}

// TestCleanLease: readers look at marks until every agent has left the record,
// then at none; the first write that new does not take is acknowledged when no
// lease is left, and every reader sees it.
func TestCleanLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Fenced)
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		must(t, a.Set(bg, ref("one"), hourly("w1")))
		r.publish(position.ReadNew, nil)
		r.acked()
		seen := looks(r)
		wantGet(t, "without a record", b, ref("one"), "w1")
		if seen() != 1 {
			t.Error("no record, and no look at marks")
		}
		r.makeRecord(t)
		time.Sleep(time.Second)
		wantGet(t, "with agents in the record", b, ref("one"), "w1")
		if seen() != 1 {
			t.Error("agents are in the record, and no look at marks")
		}
		time.Sleep(10 * time.Second)
		for range 20 {
			wantGet(t, "under a lease", b, ref("one"), "w1")
		}
		if n := seen(); n != 0 {
			t.Errorf("%d looks at marks under a lease", n)
		}
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpRevive || c.Op == memory.OpSet {
				return memory.Fault{Kind: memory.NotApplied}
			}
			return memory.Fault{}
		})
		began := time.Now()
		must(t, a.Set(bg, ref("one"), hourly("w2")))
		if took := time.Since(began); took < lease.Length || took > 2*lease.Length {
			t.Errorf("the first mark was acknowledged after %v, a lease is %v", took, lease.Length)
		}
		wantGet(t, "right after", b, ref("one"), "w2")
		began = time.Now()
		must(t, a.Set(bg, ref("one"), hourly("w3")))
		if took := time.Since(began); took > lease.Length/2 {
			t.Errorf("the second mark waited %v", took)
		}
		wantGet(t, "after the second", b, ref("one"), "w3")
		r.faults[1].set(nil)
		time.Sleep(30 * time.Second) // repaired, and A has left the record
		seen()
		wantGet(t, "repaired", b, ref("one"), "w3")
		if n := seen(); n != 0 {
			t.Errorf("%d looks at marks: the lease did not come back", n)
		}
	})
}

// TestLeaseEndsWithOld: an agent that does not reach the record looks at marks.
func TestLeaseEndsWithOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Fenced)
		a := r.layers[0].Door("library")
		must(t, a.Set(bg, ref("one"), hourly("w1")))
		r.publish(position.ReadNew, nil)
		r.acked()
		r.makeRecord(t)
		time.Sleep(10 * time.Second)
		var marks atomic.Int64
		r.faults[0].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpMarks {
				marks.Add(1)
			}
			if c.Op == memory.OpGet {
				return memory.Fault{Kind: memory.NotApplied}
			}
			return memory.Fault{}
		})
		time.Sleep(2 * lease.Length)
		wantGet(t, "without a record to read", a, ref("one"), "w1")
		if n := marks.Load(); n != 1 {
			t.Errorf("%d looks at marks, want 1", n)
		}
	})
}
