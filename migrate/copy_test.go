package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
)

func mustRead(t *testing.T, r *rig) *revision {
	cur, err := r.m.read()
	if err != nil {
		t.Fatal(err)
	}
	return cur
}

// TestDeleteDuringBackfill: a session that is deleted while it is copied never
// comes back.
func TestDeleteDuringBackfill(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	const n = 1500
	for i := range n {
		r.put(r.old, ref(fmt.Sprintf("s%d", i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	var during atomic.Int64
	// Copies are slow between the look and the swap: deletes fall between.
	r.faults[1].set(func(c memory.Call) memory.Fault {
		if c.Op == memory.OpSwap || c.Op == memory.OpGuardMany {
			return memory.Fault{Latency: 2 * time.Millisecond}
		}
		return memory.Fault{}
	})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; i < n; i += 2 {
			if i%20 == 0 {
				time.Sleep(time.Millisecond)
			}
			if _, err := r.agents[i/2%2].door().Delete(ctx, ref(fmt.Sprintf("s%d", i))); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
			default:
				during.Add(1)
			}
		}
	})
	r.backfill()
	close(stop)
	wg.Wait()
	r.faults[1].set(nil)
	check := func(when string) {
		t.Helper()
		for i := range n {
			want := "x"
			if i%2 == 0 {
				want = "(none)"
			}
			if got := r.get(r.new, ref(fmt.Sprintf("s%d", i)).NewKey()); got != want {
				t.Fatalf("%s: new holds %q for session %d, want %q", when, got, i, want)
			}
		}
	}
	if during.Load() < n/10 {
		t.Errorf("only %d deletes fell into the backfill", during.Load())
	}
	check("after the backfill")
	r.verify()
	r.ramp("read-new", 100)
	check("in read-new")
}

// TestCopyThatFails: what cannot be copied is reported by hash, never by id,
// and nothing counts as backfilled or verified.
func TestCopyThatFails(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	for i := range 20 {
		r.put(r.old, ref(fmt.Sprintf("secretid%d", i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	bad := ref("secretid7").NewKey().Name
	r.faults[1].set(func(c memory.Call) memory.Fault {
		if c.Key == bad || c.Op == memory.OpGuardMany {
			return memory.Fault{Kind: memory.NotApplied}
		}
		return memory.Fault{}
	})
	rep, err := r.m.Backfill(ctx, nil)
	var left *Unfinished
	if !errors.As(err, &left) || rep.Unresolved != 1 || len(rep.Left) != 1 {
		t.Fatalf("got %v %+v, want one session left", err, rep)
	}
	if want := r.hasher.SumString("secretid7").String(); rep.Left[0].Hash != want {
		t.Errorf("left %q, want hash %q", rep.Left[0].Hash, want)
	}
	if text := fmt.Sprintf("%v %+v", err, rep); strings.Contains(text, "secretid") {
		t.Errorf("an id is shown: %s", text)
	}
	if _, err = r.m.Verify(ctx, nil); err == nil {
		t.Fatal("verified a session that cannot be written")
	}
	if _, err = r.m.Ramp(ctx, "read-new", 1, nil); err == nil {
		t.Fatal("read-new although the verification failed")
	}
	r.faults[1].set(nil)
	r.backfill()
	r.verify()
	r.ramp("read-new", 1)
}

// TestCopierThatDies: an agent that dies during a verification makes it worth
// nothing; one that is cancelled leaves nothing behind that hinders.
func TestCopierThatDies(t *testing.T) {
	r := newRig(t, 2)
	for i := range 2000 {
		r.put(r.old, ref(fmt.Sprintf("s%d", i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := r.m.Backfill(ctx, func(p Progress) {
		if p.Phase == "backfill" {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want cancelled", err)
	}
	c, err := r.m.job(context.Background(), "verification", mustRead(t, r), 0, tell(nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.migration().Ramp(context.Background(), "mirror", 5000, nil)
	refusedBy(t, err, GateCopier)
	r.agents[0].restart(false)
	if err := c.end(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "web-1") {
		t.Errorf("got %v, want that web-1 was started anew", err)
	}
	r.backfill()
	r.verify()
}

// TestPartBack: a part of cutover is taken back, while the rest stays.
func TestPartBack(t *testing.T) {
	r := newRig(t, 2)
	r.readNew(100)
	tr := r.traffic(3)
	r.ramp("cutover", 60)
	r.ramp("cutover", 20)
	r.at("cutover 20 %, read-new 80 %")
	r.ramp("read-new", 50)
	r.at("cutover 20 %, read-new 30 %, fenced 50 %")
	r.ramp("cutover", 50)
	r.ramp("cutover", 0)
	r.ramp("read-new", 0)
	r.at("fenced 100 %")
	if d := r.def(); d.CutoverFloor != 6000 || d.Settled != 0 {
		t.Errorf("floor %d, settled %d, want 6000 and 0", d.CutoverFloor, d.Settled)
	}
	tr.end()
}

// TestBarrierComesFirst: nothing is copied or compared before every agent has
// let end what it was copying by itself.
func TestBarrierComesFirst(t *testing.T) {
	r := newRig(t, 3)
	ctx := context.Background()
	for i := range 10 {
		r.put(r.old, ref(fmt.Sprintf("s%d", i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	barriers := func() (least int64) {
		least = r.agents[0].barriers.Load()
		for _, a := range r.agents {
			least = min(least, a.barriers.Load())
		}
		return least
	}
	var want atomic.Int64
	var early atomic.Bool
	look := func(c memory.Call) memory.Fault {
		// Gates look for records of Crossfade's own before, and agents ask each second
		// how a store is.
		if barriers() < want.Load() && !strings.HasPrefix(c.Key, "crossfade:") && c.Op != memory.OpHealth {
			early.Store(true)
		}
		return memory.Fault{}
	}
	r.faults[0].set(look)
	r.faults[1].set(look)
	for i, job := range []func() error{
		func() error { _, err := r.m.Backfill(ctx, nil); return err },
		func() error { _, err := r.m.Verify(ctx, nil); return err },
		func() error {
			r.faults[0].set(nil) // gates look for marks
			r.faults[1].set(nil)
			r.ramp("read-new", 100)
			r.ramp("cutover", 100)
			_, err := r.m.Rollback(ctx, "read-new", nil)
			return err
		},
	} {
		want.Store(int64(i + 1))
		if err := job(); err != nil {
			t.Fatal(err)
		}
		if early.Load() || barriers() != int64(i+1) {
			t.Errorf("job %d: %d barriers, or a store was asked before them", i, barriers())
		}
	}
}
