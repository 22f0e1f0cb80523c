package darklaunch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Settled read-new: a delete that old did not take. The tombstone in new runs
// out before old has confirmed it: nobody renews it.
func TestTombstoneEndsBeforeOldConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Fenced)
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		must(t, a.Set(bg, ref("one"), hourly("w1")))
		r.publish(position.ReadNew, nil)
		r.acked()
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		r.acked()
		r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		_, err := a.Delete(bg, ref("one"))
		must(t, err)
		r.faults[0].set(nil)
		wantGet(t, "B, at once", b, ref("one"), "missing")
		time.Sleep(25 * time.Second)
		wantGet(t, "B, 25 s later", b, ref("one"), "missing")
	})
}

// Two calls of a session time out on two connections: each mark names one of
// them at random, so that one may be named nowhere.
func TestMarkNamesAnotherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Fenced, func(o *darklaunch.Options) { o.BreakerFailures = 1000 })
		d := r.layers[0].Door("library")
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpRevive {
				return memory.Fault{Kind: memory.TimeoutLater}
			}
			return memory.Fault{}
		})
		short := 0
		for i := range 20 {
			id := ref(fmt.Sprint("s", i))
			must(t, d.Set(bg, id, hourly("x")))
			must(t, d.Set(bg, id, hourly("y")))
			conns := map[string]bool{}
			ms, err := r.old.Marks(bg, id.OldKey())
			must(t, err)
			for _, m := range ms {
				conns[m.Conn] = true
			}
			if len(conns) != 2 {
				short++
			}
		}
		if short > 0 {
			t.Errorf("of %d sessions in 20 the marks name one of the two calls that are out", short)
		}
	})
}

// A DropMarks that took effect but was not answered: the count of standing marks
// never goes down again; a PutMark that took effect so: it goes below none.
func TestStandingMarksDrift(t *testing.T) {
	for _, op := range []memory.Op{memory.OpDropMarks, memory.OpPutMark} {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 1, position.Fenced)
				d := r.layers[0].Door("library")
				once := false
				r.faults[0].set(func(c memory.Call) memory.Fault {
					if c.Op == op && !once {
						once = true
						return memory.Fault{Kind: memory.TimeoutApplied}
					}
					return memory.Fault{}
				})
				r.faults[1].set(func(c memory.Call) memory.Fault {
					if c.Op == memory.OpRevive {
						return memory.Fault{Kind: memory.NotApplied}
					}
					return memory.Fault{}
				})
				d.Set(bg, ref("one"), hourly("w1"))
				r.faults[1].set(nil)
				r.clean()
				ms, _ := r.old.Marks(bg, ref("one").OldKey())
				if s := r.layers[0].Status(); s.MarksStanding != int64(len(ms)) {
					t.Errorf("%d marks stand, the status says %d", len(ms), s.MarksStanding)
				}
			})
		})
	}
}

// A touch, or a set, with a deadline that is past removes the session as a
// delete does, but leaves no tombstone: a copy under way brings it back.
func TestPastDeadlineLeavesNoTombstone(t *testing.T) {
	for _, how := range []string{"touch", "set"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2, position.ReadNew)
				a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
				must(t, r.old.Set(bg, at(hourly("w1"), ref("one").OldKey()))) // new has thrown it out
				r.faults[1].set(func(c memory.Call) memory.Fault {
					if c.Op == memory.OpSwap {
						return memory.Fault{Latency: 100 * time.Millisecond}
					}
					return memory.Fault{}
				})
				wantGet(t, "before", a, ref("one"), "w1") // A refills
				time.Sleep(50 * time.Millisecond)
				past := time.Now().Add(-time.Minute)
				if how == "touch" {
					_, err := b.Touch(bg, ref("one"), past)
					must(t, err)
				} else {
					must(t, b.Set(bg, ref("one"), backends.Session{Data: []byte("x"), Deadline: past}))
				}
				time.Sleep(time.Second)
				wantGet(t, "after", b, ref("one"), "missing")
			})
		})
	}
}
