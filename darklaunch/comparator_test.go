package darklaunch_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Settled read-new: A cannot reach old and writes new alone; B's comparator sees
// the difference, and marks old: readers then get old's stale answer, and B's
// repair writes it over the acknowledged one.
func TestComparatorMarksWhatOldIsBehindIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Fenced, func(o *darklaunch.Options) { o.CompareRatio = 1 })
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		must(t, a.Set(bg, ref("one"), hourly("w1")))
		r.publish(position.ReadNew, nil)
		r.acked()
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		r.acked()
		r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		must(t, a.Set(bg, ref("one"), hourly("w2")))
		r.faults[0].set(nil)
		wantGet(t, "B, at once", b, ref("one"), "w2")
		time.Sleep(400 * time.Millisecond)
		wantGet(t, "B, after a comparison", b, ref("one"), "w2")
		time.Sleep(5 * time.Second)
		rec := read(t, r.new, ref("one").NewKey())
		if string(rec.Data) != "w2" {
			t.Errorf("new holds %q after B's repair: the acknowledged write w2 is lost", rec.Data)
		}
	})
}

// A comparison holds no era: sampled in read-new, it marks old when the fleet
// is in sealed and cutover already, and sealed readers then get old's answer.
func TestComparatorOutlivesItsRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.ReadNew, func(o *darklaunch.Options) { o.CompareRatio = 1; o.CompareRecheck = 2 * time.Second })
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		must(t, a.Set(bg, ref("one"), hourly("w1")))
		// A read beside a write that is under way at B: a race, looked at again later.
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpRevive {
				return memory.Fault{Latency: 100 * time.Millisecond}
			}
			return memory.Fault{}
		})
		var wg sync.WaitGroup
		wg.Go(func() { must(t, b.Set(bg, ref("one"), hourly("w2"))) })
		time.Sleep(50 * time.Millisecond)
		a.Get(bg, ref("one"))
		wg.Wait()
		r.faults[1].set(nil)
		r.publish(position.Sealed, nil)
		r.acked()
		r.publish(position.Cutover, nil)
		r.acked()
		must(t, b.Set(bg, ref("one"), hourly("w3")))
		time.Sleep(5 * time.Second)
		if m, _ := r.old.Marks(bg, ref("one").OldKey()); len(m) != 0 {
			t.Errorf("in cutover, acknowledged by all, a comparison of read-new put %d marks in old: an agent still in sealed answers from old", len(m))
		}
		if s := r.layers[0].Status(); s.DirtyNew != 0 {
			t.Errorf("dirty in new: %d, and nothing repairs it in cutover", s.DirtyNew)
		}
	})
}

// The comparator's mark that took effect without an answer: nobody holds the
// session dirty, so nobody ever removes it.
func TestComparatorsUnknownMarkStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.ReadNew, func(o *darklaunch.Options) { o.CompareRatio = 1 })
		d := r.layers[0].Door("library")
		must(t, r.old.Set(bg, at(hourly("a"), ref("one").OldKey())))
		must(t, r.new.Set(bg, at(hourly("b"), ref("one").NewKey())))
		r.faults[0].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpPutMark {
				return memory.Fault{Kind: memory.TimeoutApplied}
			}
			return memory.Fault{}
		})
		d.Get(bg, ref("one"))
		time.Sleep(30 * time.Second)
		ms, _ := r.old.Marks(bg, ref("one").OldKey())
		if s := r.layers[0].Status(); len(ms) != 0 && s.DirtyNew == 0 && s.MarksStanding == 0 {
			t.Errorf("%d marks stand; the agent knows of none, and holds nothing dirty", len(ms))
		}
	})
}
