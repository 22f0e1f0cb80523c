package darklaunch_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Status reads what is dirty and unknown before it looks whether anything older
// still runs: an operation that ends in between is in neither.
func TestAcknowledgementMissesWhatEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &askedSource{}
		r := newRig(t, 1, position.ReadNew, func(o *darklaunch.Options) {
			src.Static = o.Flags.(*flags.Static)
			o.Flags = src
			o.Old.Timeout, o.New.Timeout = time.Second, 200*time.Millisecond
		})
		d := r.layers[0].Door("library")
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpRevive {
				return memory.Fault{Latency: 10 * time.Second}
			}
			return memory.Fault{}
		})
		var wg sync.WaitGroup
		wg.Go(func() { must(t, d.Set(bg, ref("one"), hourly("w1"))) })
		time.Sleep(50 * time.Millisecond)
		r.publish(position.Sealed, nil)
		synctest.Wait()
		src.mu.Lock()
		src.fn = wg.Wait
		src.mu.Unlock()
		s := r.layers[0].Status()
		src.mu.Lock()
		src.fn = nil
		src.mu.Unlock()
		now := r.layers[0].Status()
		if s.Acknowledged && s.DirtyNew == 0 && s.UnknownNew == 0 && now.DirtyNew+now.UnknownNew > 0 {
			t.Errorf("sealed acknowledged with nothing dirty or unknown; there were %d dirty and %d unknown", now.DirtyNew, now.UnknownNew)
		}
	})
}

// Run's drain ends after the copy timeout, but the lanes are emptied to the end.
func TestRunDrainsWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Mirror)
		r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Latency: 200 * time.Millisecond} })
		d := r.layers[0].Door("library")
		for range 1000 {
			must(t, d.Set(bg, ref("one"), hourly("x")))
		}
		began := time.Now()
		r.cancel()
		r.wg.Wait()
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("Run ended after %v, want the copy timeout (10 s) at most", took)
		}
		must(t, d.Set(bg, ref("two"), hourly("x")))
		if q := r.layers[0].Status().Queued; q != 0 {
			t.Errorf("queued is %d after a write that came after Run", q)
		}
	})
}

// Barrier loads the newest revision and takes it again, in two steps: a revision
// that comes in between is undone, for good.
func TestBarrierUndoesARevision(t *testing.T) {
	r := newRig(t, 1, position.Off)
	l := r.layers[0]
	ctx, cancel := context.WithTimeout(bg, 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.Barrier(ctx)
			}
		})
	}
	for ctx.Err() == nil && !t.Failed() {
		r.publish(position.Off, nil)
		for range 1000 {
			if l.Status().Epoch == r.epoch {
				break
			}
			time.Sleep(10 * time.Microsecond)
		}
		time.Sleep(50 * time.Microsecond)
		if e := l.Status().Epoch; e < r.epoch {
			for end := time.Now().Add(20 * time.Second); l.Status().Epoch < r.epoch && time.Now().Before(end); { // not merely late?
				time.Sleep(10 * time.Millisecond)
			}
			if e := l.Status().Epoch; e < r.epoch {
				t.Errorf("revision %d was published; 20 s later the agent serves %d, and is not told of it again", r.epoch, e)
			}
		}
	}
	cancel()
	wg.Wait()
}
