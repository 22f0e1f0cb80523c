package migrate

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestObserveAcrossHosts: a delete through one agent and the write that follows
// through another are found, and a plain logout is not.
func TestObserveAcrossHosts(t *testing.T) {
	r := newRig(t, 2)
	r.ramp("mirror", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx := context.Background()
		one, two := r.agents[0].layer.Door("library"), r.agents[1].layer.Door("library")
		for r.agents[0].layer.SeenDeletes(1) == nil { // until it is observed
			one.Set(ctx, ref("out"), session("x"))
			one.Set(ctx, ref("again"), session("x"))
			one.Delete(ctx, ref("out"))
			one.Delete(ctx, ref("again"))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep((clocks + 100) * time.Millisecond)
		two.Set(ctx, ref("again"), session("x"))
	}()
	o, err := r.m.Observe(context.Background(), 5*time.Second, nil)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range o.Findings {
		if strings.HasPrefix(f.Name, "deletes used") && f.Verdict == Green {
			t.Errorf("a session that another agent wrote again was not found: %+v", f)
		}
	}
	n, err := r.m.revivedElsewhere(context.Background())
	if err != nil || n != 1 {
		t.Errorf("%d sessions were written again through another agent, want the one: %v", n, err)
	}
}
