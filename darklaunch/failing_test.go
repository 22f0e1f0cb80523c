package darklaunch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Old is declared down: new is the only store, and yet its breaker skips calls:
// the client gets errors from a new that is healthy again.
func TestBreakerSkipsTheOnlyStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.ReadNew)
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		r.acked()
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets; d.DeclaredDown = flags.OldDown })
		r.acked()
		d := r.layers[0].Door("library")
		must(t, d.Set(bg, ref("one"), hourly("w1")))
		r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		for range 5 {
			d.Get(bg, ref("one"))
		}
		r.faults[1].set(nil)
		if _, _, err := d.Get(bg, ref("one")); err != nil {
			t.Errorf("new answers again, the client is told: %v", err)
		}
	})
}

// Each session that is made dirty wakes a scan of the whole table. In mirror,
// where nothing is ever repaired, a failing new so costs old's path its CPU.
func TestDirtyScansInMirror(t *testing.T) {
	if testing.Short() {
		t.Skip("takes CPU")
	}
	spend := func(failing bool) (n int, cpu time.Duration) {
		r := newRig(t, 1, position.Mirror)
		if failing {
			r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		}
		d := r.layers[0].Door("library")
		names := make([]kinds.Ref, 60_000)
		for i := range names {
			names[i] = ref(fmt.Sprint("s", i))
			d.Set(bg, names[i], hourly("x"))
		}
		before := cpuTime()
		end := time.Now().Add(2 * time.Second)
		for i := 0; time.Now().Before(end); i++ { // 500 writes a second
			d.Set(bg, names[i%len(names)], hourly("x"))
			n++
			time.Sleep(2 * time.Millisecond)
		}
		return n, cpuTime() - before
	}
	n, cpu := spend(false)
	m, slow := spend(true)
	t.Logf("healthy: %v of CPU for %d writes in 2 s; new failing: %v for %d", cpu, n, slow, m)
	// For each write: how many there are in 2 s says how busy the machine is.
	if each, healthy := slow/time.Duration(m), cpu/time.Duration(n); each > 5*healthy && each > 500*time.Microsecond {
		t.Errorf("with new failing, a write costs %v of CPU, healthy %v", each, healthy)
	}
}

// Settled read-new: one session that is too large for old, which is the client's
// fault and not old's, turns the agent into one whose old is behind.
func TestTooLargeMakesOldBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.ReadNew)
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		r.acked()
		r.faults[0].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpSet && c.Key == ref("big").OldKey().Name {
				return memory.Fault{Kind: memory.NotApplied, Err: backends.ErrTooLarge}
			}
			return memory.Fault{}
		})
		d := r.layers[0].Door("library")
		err := d.Set(bg, ref("big"), hourly("as if it were large"))
		if s := r.layers[0].Status(); s.Behind {
			t.Errorf("told %v; old is behind now, and every later write of any session goes to new alone", err)
		}
		must(t, d.Set(bg, ref("small"), hourly("w1")))
		if rec := read(t, r.old, ref("small").OldKey()); !rec.Found {
			t.Error("another session's write did not go to old, which is healthy")
		}
	})
}
