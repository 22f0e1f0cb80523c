package migrate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// TestAgentsStopAStep: an agent that does not answer, that has another
// configuration, or that still waits stops the step by its name; then the same
// call goes on.
func TestAgentsStopAStep(t *testing.T) {
	ctx := context.Background()
	const short = time.Second // in which the others answer, on a busy machine
	tests := []struct {
		name string
		stop func(*rig) (mend func())
		want string
	}{
		{"does not answer", func(r *rig) func() {
			r.agents[1].quiet(true)
			return func() { r.agents[1].quiet(false) }
		}, "does not answer"},
		{"has not taken it", func(r *rig) func() {
			r.agents[1].say(func(s *agentapi.Status) { s.Epoch--; s.FlagsError = "the file cannot be read" })
			return func() { r.agents[1].say(nil) }
		}, "the file cannot be read"},
		{"has a lock out", func(r *rig) func() {
			r.agents[1].say(func(s *agentapi.Status) { s.Acknowledged = false; s.Waiting = []string{"1 locks granted"} })
			return func() { r.agents[1].say(nil) }
		}, "1 locks granted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2)
			r.ramp("mirror", 10)
			mend := tt.stop(r)
			before, long := r.def().Epoch, r.m.o.Wait
			r.m.o.Wait = short
			_, err := r.m.Ramp(ctx, "mirror", 2000, nil)
			r.m.o.Wait = long
			var w *Waiting
			if !errors.As(err, &w) || len(w.Agents) != 1 || w.Agents[0].Name != "web-2" || !strings.Contains(w.Agents[0].Why, tt.want) {
				t.Fatalf("got %v, want web-2 waited for: %s", err, tt.want)
			}
			if r.def().Epoch != before {
				t.Error("a revision was published over an agent that has not acknowledged the last")
			}
			mend()
			r.ramp("mirror", 20)
			r.at("mirror 20 %, off 80 %")
		})
	}
	t.Run("a lock that is really out", func(t *testing.T) {
		r := newRig(t, 2)
		r.ramp("mirror", 10)
		long := r.m.o.Wait
		var err error
		for percent := 20; ; percent++ {
			began := time.Now()
			if ok, err := r.agents[1].door().Lock(ctx, lockRef("x"), owner, 0); !ok || err != nil {
				t.Fatal(ok, err)
			}
			r.m.o.Wait = 100 * time.Millisecond
			_, err = r.m.Ramp(ctx, "mirror", percent*100, nil)
			if err != nil || time.Since(began) < phpKinds.Kinds()[0].LockTTL || percent == 60 {
				break
			}
			// The machine was so busy that the lock had run out: another one.
		}
		var w *Waiting
		if !errors.As(err, &w) || !strings.Contains(err.Error(), "web-2") || !strings.Contains(err.Error(), "lock") {
			t.Fatalf("got %v, want web-2 waited for: a lock", err)
		}
		r.m.o.Wait = long
		r.ramp("mirror", 70)
	})
	t.Run("one agent twice", func(t *testing.T) {
		r := newRig(t, 1)
		m := r.migration(func(o *Options) {
			o.Agents = append(o.Agents, strings.Replace(o.Agents[0], "127.0.0.1", "localhost", 1))
		})
		_, err := m.Ramp(ctx, "mirror", 100, nil)
		refusedBy(t, err, GateAgents)
	})
	t.Run("no agents", func(t *testing.T) {
		r := newRig(t, 0)
		r.ramp("mirror", 100)
		_, err := r.m.Backfill(ctx, nil)
		refusedBy(t, err, GateAgents)
		if _, err := r.m.Rollback(ctx, "off", nil); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTwoOperators: of two who move at once, one is refused, and what stands is
// what one of them wanted.
func TestTwoOperators(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	r.readNew(10)
	cur, _ := r.m.read()
	n, text, _ := goal{mirror: flags.Buckets, fence: flags.Buckets, readNew: 3000}.next(cur.def)
	if _, err := r.migration().Ramp(ctx, "read-new", 2000, nil); err != nil {
		t.Fatal(err)
	}
	refusedBy(t, r.m.publish(ctx, cur, n, text, nil, tell(nil)), GateRevision)
	r.at("read-new 20 %, fenced 80 %")
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = r.migration().Ramp(ctx, "read-new", 3000+1000*i, nil) })
	}
	wg.Wait()
	ok := 0
	for _, err := range errs {
		if err == nil {
			ok++
			continue
		}
		refusedBy(t, err, GateRevision)
	}
	if ok == 0 {
		t.Log("all four were in each other's way: allowed, and nothing is half-done")
	}
	r.ramp("read-new", 50)
	r.at("read-new 50 %, fenced 50 %")
}

// TestForgottenAgent: an agent that is taken out of the list is waited for, as
// long as what it left may be out; what was verified with it counts no more.
func TestForgottenAgent(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2)
	r.ramp("mirror", 100)
	r.backfill()
	r.verify()
	gone := r.agents[1]
	r.agents = r.agents[:1]
	t.Cleanup(gone.server.Close)
	gone.stop()
	stopped := time.Now()
	r.m = r.migration(func(o *Options) { o.Wait = 200 * time.Millisecond })
	_, err := r.m.Ramp(ctx, "read-new", 100, nil)
	var w *Waiting
	late := time.Since(stopped) > time.Second // what it left may have ended: a busy machine
	if !late && (!errors.As(err, &w) || !slices.ContainsFunc(w.Agents, func(a Lagging) bool { return a.Name == "web-2" })) {
		t.Fatalf("got %v, want web-2 waited for", err)
	}
	r.m.o.Wait = 30 * time.Second
	_, err = r.m.Ramp(ctx, "read-new", 100, nil)
	refusedBy(t, err, GateVerified)
	r.verify()
	r.ramp("read-new", 1)
}

// TestRestartedAgent: what the last life of an agent granted or copied may be
// out for a while, so that its acknowledgement counts later.
func TestRestartedAgent(t *testing.T) {
	ctx := context.Background()
	for _, clean := range []bool{true, false} {
		r := newRig(t, 2)
		r.ramp("mirror", 10)
		r.agents[0].restart(clean)
		r.m.o.Wait = 100 * time.Millisecond
		_, err := r.m.Ramp(ctx, "mirror", 2000, nil)
		var w *Waiting
		if err == nil && time.Since(r.agents[0].began) > time.Second {
			t.Logf("clean %v: the machine was so busy that all of its last life had ended", clean)
			continue
		}
		if !errors.As(err, &w) || !slices.ContainsFunc(w.Agents, func(a Lagging) bool { return a.Name == "web-1" }) || !strings.Contains(err.Error(), "started anew") {
			t.Fatalf("clean %v: got %v, want web-1 waited for", clean, err)
		}
		r.m.o.Wait = 30 * time.Second
		r.ramp("mirror", 20)
		if up := time.Since(r.agents[0].began); !clean && up < time.Second {
			t.Errorf("acknowledged %v after its start: copies of its last life may run for a second", up)
		}
	}
}
