package darklaunch_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// bubble runs a test of one rig in a synctest bubble.
func bubble(t *testing.T, agents int, p position.Position, fn func(*testing.T, *rig, []*darklaunch.Door)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, agents, p)
		var doors []*darklaunch.Door
		for _, l := range r.layers {
			doors = append(doors, l.Door("library"))
		}
		fn(t, r, doors)
	})
}

func set(t *testing.T, d *darklaunch.Door, id, value string) {
	t.Helper()
	if err := d.Set(context.Background(), ref(id), backends.Session{Data: []byte(value), Deadline: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

// failOnce lets the next call of that kind meet a fault.
func failOnce(r *rig, side int, op memory.Op, f memory.Fault) {
	var hit atomic.Bool
	r.faults[side].set(func(c memory.Call) memory.Fault {
		if c.Op == op && hit.CompareAndSwap(false, true) {
			return f
		}
		return memory.Fault{}
	})
}

func (r *rig) marks(id string) int {
	ms, err := r.old.Marks(context.Background(), ref(id).OldKey())
	if err != nil {
		r.t.Fatal(err)
	}
	return len(ms)
}

func (r *rig) inNew(id string) string {
	s, _, err := r.new.Get(context.Background(), ref(id).NewKey())
	if err != nil {
		r.t.Fatal(err)
	}
	return string(s.Data)
}

func (r *rig) waitsFor(what string) {
	r.t.Helper()
	for _, l := range r.layers {
		if s := l.Status(); s.Epoch == r.epoch && !s.Acknowledged && strings.Contains(strings.Join(s.Waiting, "; "), what) {
			return
		}
	}
	r.t.Errorf("nobody waits for %q: %+v", what, r.layers[0].Status().Waiting)
}

// TestAcknowledgement: a revision is not acknowledged while something older is
// queued, running, of unknown outcome, or locked.
func TestAcknowledgement(t *testing.T) {
	t.Run("queued", func(t *testing.T) {
		bubble(t, 1, position.Mirror, func(t *testing.T, r *rig, d []*darklaunch.Door) {
			r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Latency: 200 * time.Millisecond} })
			set(t, d[0], "one", "x")
			r.publish(position.Fenced, nil)
			time.Sleep(100 * time.Millisecond)
			r.waitsFor("older revision")
			time.Sleep(time.Second)
			r.acked()
			if got := r.inNew("one"); got != "x" {
				t.Errorf("acknowledged, and new holds %q", got)
			}
		})
	})
	t.Run("running", func(t *testing.T) {
		bubble(t, 1, position.Off, func(t *testing.T, r *rig, d []*darklaunch.Door) {
			r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Latency: 300 * time.Millisecond} })
			go d[0].Get(context.Background(), ref("one"))
			synctest.Wait()
			r.publish(position.Mirror, nil)
			time.Sleep(100 * time.Millisecond)
			r.waitsFor("older revision")
			r.faults[0].set(nil)
			time.Sleep(time.Second)
			r.acked()
		})
	})
	t.Run("unknown", func(t *testing.T) {
		bubble(t, 1, position.Off, func(t *testing.T, r *rig, d []*darklaunch.Door) {
			failOnce(r, 0, memory.OpSet, memory.Fault{Latency: 5 * time.Second})
			if err := d[0].Set(context.Background(), ref("one"), backends.Session{Data: []byte("x")}); err == nil {
				t.Error("a call without an answer was acknowledged")
			}
			r.publish(position.Mirror, nil)
			time.Sleep(100 * time.Millisecond)
			r.waitsFor("unknown outcome")
			time.Sleep(10 * time.Second)
			r.acked()
		})
	})
	t.Run("locked", func(t *testing.T) {
		bubble(t, 1, position.Off, func(t *testing.T, r *rig, d []*darklaunch.Door) {
			me := kinds.Owner{Client: "me", Conn: 1}
			if ok, err := d[0].Lock(context.Background(), ref("one"), me, 10*time.Second); !ok || err != nil {
				t.Fatal(ok, err)
			}
			r.publish(position.Mirror, nil)
			time.Sleep(time.Second)
			r.waitsFor("locks")
			if ok, err := d[0].Unlock(context.Background(), ref("one"), me); !ok || err != nil {
				t.Fatal(ok, err)
			}
			time.Sleep(time.Second)
			r.acked()
			// Nobody gives it back: its time to live ends it.
			d[0].Lock(context.Background(), ref("two"), me, 10*time.Second)
			r.publish(position.Fenced, nil)
			time.Sleep(time.Second)
			r.waitsFor("locks")
			time.Sleep(10 * time.Second)
			r.acked()
		})
	})
}

// TestLateUnmark: a read that missed the mark must not return what new held
// before the repair.
func TestLateUnmark(t *testing.T) {
	bubble(t, 2, position.ReadNew, func(t *testing.T, r *rig, d []*darklaunch.Door) {
		set(t, d[0], "one", "before")
		failOnce(r, 1, memory.OpRevive, memory.Fault{Kind: memory.NotApplied})
		set(t, d[0], "one", "after")
		// The reader's look at the mark is slow, its read of new is not.
		failOnce(r, 0, memory.OpMarks, memory.Fault{Latency: 450 * time.Millisecond})
		s, found, err := d[1].Get(context.Background(), ref("one"))
		if err != nil || !found || string(s.Data) != "after" {
			t.Errorf("got %q %v %v, want what was acknowledged before", s.Data, found, err)
		}
		time.Sleep(30 * time.Second)
		if r.marks("one") != 0 || r.inNew("one") != "after" {
			t.Errorf("not repaired: %d marks, new holds %q", r.marks("one"), r.inNew("one"))
		}
	})
}

// TestDirtiedAgain: a session that is dirtied while it is being repaired stays
// dirty, and is repaired once more.
func TestDirtiedAgain(t *testing.T) {
	bubble(t, 1, position.Fenced, func(t *testing.T, r *rig, d []*darklaunch.Door) {
		failOnce(r, 1, memory.OpRevive, memory.Fault{Kind: memory.NotApplied})
		set(t, d[0], "one", "first")
		time.Sleep(500 * time.Millisecond) // swapped, and waiting to remove the mark
		failOnce(r, 1, memory.OpRevive, memory.Fault{Kind: memory.NotApplied})
		set(t, d[0], "one", "second")
		time.Sleep(time.Minute)
		if r.marks("one") != 0 || r.inNew("one") != "second" || r.layers[0].Status().DirtyNew != 0 {
			t.Errorf("%d marks, new holds %q, %d dirty", r.marks("one"), r.inNew("one"), r.layers[0].Status().DirtyNew)
		}
	})
}

// TestTombstones: a delete leaves one wherever copies could bring the session
// back.
func TestTombstones(t *testing.T) {
	for _, c := range []struct {
		p        position.Position
		old, new bool
	}{{position.Off, false, false}, {position.Mirror, false, true}, {position.Fenced, false, true}, {position.ReadNew, false, true},
		{position.Sealed, false, true}, {position.Cutover, false, false}, {position.Back, true, true}} {
		t.Run(c.p.String(), func(t *testing.T) {
			bubble(t, 1, c.p, func(t *testing.T, r *rig, d []*darklaunch.Door) {
				set(t, d[0], "one", "x")
				if found, err := d[0].Delete(context.Background(), ref("one")); !found || err != nil {
					t.Fatal(found, err)
				}
				time.Sleep(10 * time.Millisecond) // mirrored writes go out in ticks
				synctest.Wait()
				o, _ := r.old.Read(context.Background(), ref("one").OldKey())
				n, _ := r.new.Read(context.Background(), ref("one").NewKey())
				if o.Gone != c.old || n.Gone != c.new {
					t.Errorf("tombstones in old, new: %v %v, want %v %v", o.Gone, n.Gone, c.old, c.new)
				}
			})
		})
	}
}

// TestQueueFirst: where both stores are written before the answer, a write
// waits for what is queued of its session.
func TestQueueFirst(t *testing.T) {
	bubble(t, 1, position.Mirror, func(t *testing.T, r *rig, d []*darklaunch.Door) {
		failOnce(r, 1, memory.OpRevive, memory.Fault{Latency: 200 * time.Millisecond})
		set(t, d[0], "one", "queued")
		synctest.Wait()
		r.publish(position.Fenced, nil)
		synctest.Wait()
		set(t, d[0], "one", "later")
		time.Sleep(time.Second)
		if got := r.inNew("one"); got != "later" {
			t.Errorf("new holds %q: the queued write came after a later one", got)
		}
	})
}

// TestUnknownCall: the mark stands until it is known that a call can no longer
// arrive, and what it brings then is mended.
func TestUnknownCall(t *testing.T) {
	bubble(t, 1, position.Fenced, func(t *testing.T, r *rig, d []*darklaunch.Door) {
		failOnce(r, 1, memory.OpRevive, memory.Fault{Kind: memory.TimeoutLater, Later: func(apply func()) {
			time.AfterFunc(900*time.Millisecond, apply)
		}})
		set(t, d[0], "one", "late")
		set(t, d[0], "one", "last")
		time.Sleep(500 * time.Millisecond)
		if r.marks("one") == 0 {
			t.Error("the mark went while a call could still arrive")
		}
		time.Sleep(time.Minute)
		if r.marks("one") != 0 || r.inNew("one") != "last" {
			t.Errorf("%d marks, new holds %q", r.marks("one"), r.inNew("one"))
		}
	})
}

// TestRepairOverTombstone: a session that was written after its delete is
// brought to new although a tombstone stands there.
func TestRepairOverTombstone(t *testing.T) {
	bubble(t, 1, position.ReadNew, func(t *testing.T, r *rig, d []*darklaunch.Door) {
		set(t, d[0], "one", "first")
		if _, err := d[0].Delete(context.Background(), ref("one")); err != nil {
			t.Fatal(err)
		}
		failOnce(r, 1, memory.OpRevive, memory.Fault{Kind: memory.NotApplied})
		set(t, d[0], "one", "again")
		if s, found, err := d[0].Get(context.Background(), ref("one")); err != nil || !found || string(s.Data) != "again" {
			t.Errorf("got %q %v %v: a tombstone outvoted a newer session", s.Data, found, err)
		}
		time.Sleep(10 * time.Second) // within the tombstone's life
		if r.marks("one") != 0 || r.inNew("one") != "again" {
			t.Errorf("%d marks, new holds %q", r.marks("one"), r.inNew("one"))
		}
	})
}

// TestMarksLost: old restarts while a mark stands. Whether new is whole is not
// known any more, and the agent says so until it is told of a verification.
func TestMarksLost(t *testing.T) {
	bubble(t, 1, position.ReadNew, func(t *testing.T, r *rig, d []*darklaunch.Door) {
		time.Sleep(2 * time.Second)
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpHealth {
				return memory.Fault{}
			}
			return memory.Fault{Kind: memory.NotApplied}
		})
		set(t, d[0], "one", "x")
		if r.layers[0].Status().AllDirtyNew {
			t.Fatal("all dirty before anything happened")
		}
		r.evict.Store(true)
		time.Sleep(2 * time.Second)
		s := r.layers[0].Status()
		if !s.AllDirtyNew || s.MarksLost != 1 {
			t.Errorf("all dirty %v, marks lost %d, want true and 1", s.AllDirtyNew, s.MarksLost)
		}
		if r.layers[0].Verified(s.AllDirtied-1) || !r.layers[0].Status().AllDirtyNew {
			t.Error("a verification that began before counted")
		}
		r.layers[0].Verified(s.AllDirtied)
		if r.layers[0].Status().AllDirtyNew {
			t.Error("still all dirty after a verification")
		}
	})
}
