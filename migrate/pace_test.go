package migrate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
)

// TestPaceBound: no more than the bound goes in a second.
func TestPaceBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(Pace{Rate: 1000})
		began := time.Now()
		for range 50 {
			if err := p.wait(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 4900*time.Millisecond {
			t.Errorf("5,000 sessions at 1,000 a second took %v, want 4.9s: the first batch goes at once", took)
		}
	})
}

// TestPaceGivesWay: the rate falls while new is slow, and rises again after.
func TestPaceGivesWay(t *testing.T) {
	r := newRig(t, 1)
	for i := range 20000 {
		r.put(r.old, ref(speedName(i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	c, err := r.migration(func(o *Options) { o.Pace.GiveWay = true }).job(context.Background(), "backfill", mustRead(t, r), 0, tell(nil))
	if err != nil {
		t.Fatal(err)
	}
	run, err := c.open(context.Background(), JobBackfill)
	if err != nil {
		t.Fatal(err)
	}
	limit := func() float64 { c.pace.mu.Lock(); defer c.pace.mu.Unlock(); return c.pace.limit }
	use := func(until func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !until(); {
			if time.Now().After(deadline) {
				t.Fatalf("the limit stays at %.0f", limit())
			}
			if err := c.pace.wait(run, 50); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.faults[1].set(func(call memory.Call) memory.Fault { return memory.Fault{Latency: 5 * time.Millisecond} })
	use(func() bool { return limit() < startRate/2 })
	low := limit()
	r.faults[1].set(nil)
	use(func() bool { return limit() > 1.2*low })
	c.job.end(false, &c.rep)
	if err := c.end(context.Background(), nil); err != nil {
		t.Error(err)
	}
}
