package control

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/files"
	"github.com/seed-41165957/crossfade/migrate/gates"
	"github.com/seed-41165957/crossfade/migrate/plan"
)

func planOf(t *testing.T, text string) *plan.Plan {
	t.Helper()
	p, err := plan.Parse("plan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newPlanRig is a fleet whose servers go by a plan.
func newPlanRig(t *testing.T, servers int, change func(*Options), agents ...string) *rig {
	path := filepath.Join(t.TempDir(), "flags.json")
	return newRigWith(t, func() book.Book { return files.New(path) }, change, servers, agents...)
}

// traffic writes and reads sessions through all agents until the end of the test,
// or until it is stopped. Errors are the agents' to count.
func (r *rig) traffic(agents ...string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for n, a := range agents {
		door := r.agents[a].door
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				ref, _ := phpKinds.ResolveString(fmt.Sprintf("memc.sess.key.w%d-%d", n, i%40))
				if i%4 == 0 {
					door.Set(ctx, ref, backends.Session{Data: []byte("data"), Deadline: time.Now().Add(time.Hour)})
				} else {
					door.Get(ctx, ref)
				}
				sleep(ctx, time.Millisecond)
			}
		})
	}
	stop = func() { cancel(); wg.Wait() }
	r.t.Cleanup(stop)
	return stop
}

// heard waits until each agent has told what it has seen since, so many times.
func (r *rig) heard(times int) {
	r.t.Helper()
	for range times {
		from := time.Now()
		r.until("all agents to be heard", func() bool {
			for _, s := range r.servers {
				w := s.planner.witness
				w.mu.Lock()
				n := 0
				for _, h := range w.by {
					if h.at.After(from) {
						n++
					}
				}
				w.mu.Unlock()
				if n == len(r.agents) {
					return true
				}
			}
			return false
		})
	}
}

func (r *rig) planned() *PlanView {
	for _, s := range r.servers {
		if v := s.planner.last(); v != nil {
			return v
		}
	}
	return nil
}

const quickPlan = `
window: 5s
gates: {samples: 20, p99: off, divergence: 0.1}
steps:
  - {ramp: mirror, to: 50, soak: 200ms}
  - {ramp: mirror, to: 100, soak: 200ms}
  - {do: backfill}
  - {do: verify}
  - {ramp: read-new, to: 100, soak: 300ms, on_failure: rollback mirror}
  - {ramp: cutover, to: 100, soak: 100ms}
`

// TestPlanAuto: a plan goes all the way by itself, and every step of it is in the
// log with what taking it back would cost.
func TestPlanAuto(t *testing.T) {
	r := newPlanRig(t, 1, func(o *Options) {
		o.Plan, o.PlanAuto, o.Look, o.Watch = planOf(t, quickPlan), true, 40*time.Millisecond, 100*time.Millisecond
	}, "web-1", "web-2")
	r.fill(50)
	r.ready(r.agents["web-1"], r.agents["web-2"])
	r.traffic("web-1", "web-2")
	seen, last := map[string]bool{}, ""
	defer func() { t.Log("at the end it waited for", last) }()
	r.until("the plan to be done", func() bool {
		v := r.planned()
		if v == nil {
			return false
		}
		if v.Held != nil {
			t.Fatal(v.Held)
		}
		if v.Why == "" {
			t.Fatal("it does not say why it waits")
		}
		last = fmt.Sprintf("%d: %s", v.Done, v.Why)
		seen[strings.SplitN(v.Why, ":", 2)[0]] = true
		return v.Done == 6 && strings.Contains(v.Why, "the plan is done")
	})
	if !seen["soak"] {
		t.Errorf("it never waited for a soak: %v", seen)
	}
	log := audit.New(r.book(), nil)
	c, err := log.Verify(t.Context())
	if err != nil || len(c.Bad) > 0 {
		t.Errorf("the log: %+v, %v", c, err)
	}
	es, err := log.Read(t.Context(), 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var asked, done []string
	for _, e := range es {
		switch {
		case e.Verb == migrate.RevisionVerb && (len(e.Back) == 0 || e.Text == ""):
			t.Errorf("revision %d: %+v does not say what taking it back costs", e.Epoch, e)
		case e.Who == planBy && e.Outcome == audit.Asked:
			asked = append(asked, e.Verb)
		case e.Who == planBy && e.Outcome == audit.Done:
			done = append(done, e.Verb)
		}
	}
	if want := []string{"ramp", "ramp", "backfill", "verify", "ramp", "ramp"}; !slices.Equal(asked, want) || !slices.Equal(done, want) {
		t.Errorf("asked %q, done %q, want %q", asked, done, want)
	}
}

// holdMost is how long it may take from the first fault to a hold in force.
const holdMost = 2 * time.Second

// TestGateHolds: new fails, and within 2 s no further step is taken.
func TestGateHolds(t *testing.T) {
	r := newPlanRig(t, 1, func(o *Options) { o.Plan = planOf(t, quickPlan) }, "web-1", "web-2")
	ctx, c := t.Context(), r.client()
	r.ready(r.agents["web-1"], r.agents["web-2"])
	r.traffic("web-1", "web-2")
	r.ramp("mirror", 100)
	r.until("the step to be judged", func() bool {
		v := r.planned()
		return v != nil && v.Done == 2 && slices.ContainsFunc(v.Gates, func(g gates.Verdict) bool { return g.Gate == gates.Errors && g.State == gates.Pass })
	})
	r.fault.Store(&memory.Fault{Kind: memory.NotApplied})
	began := time.Now()
	r.until("a hold", func() bool { v := r.planned(); return v != nil && v.Held != nil })
	if took := time.Since(began); took > slack(holdMost) {
		t.Errorf("it took %v, wanted at most %v", took, holdMost)
	} else {
		t.Logf("held after %v", took)
	}
	o, err := c.Overview(ctx)
	if err != nil || !strings.HasPrefix(o.Why, "held by plan: gate ") {
		t.Errorf("why it waits: %q, %v", o.Why, err)
	}
	if _, err := c.Ramp(ctx, "read-new", 100, nil); gateOf(err) != GateHeld {
		t.Errorf("a step: got %v, want a refusal by gate held", err)
	}
	if w, ok := r.servers[0].Watched(); !ok || w.Gates[gates.Errors] != migrate.GateShut {
		t.Errorf("gate errors in the metrics: %q", w.Gates[gates.Errors])
	}
	if _, err := c.Ramp(ctx, "mirror", 5000, nil); err != nil { // back is never held
		t.Errorf("a ramp down: %v", err)
	}
	r.fault.Store(nil)
	r.heard(2) // what failed until now is told before the step is judged anew
	if err := c.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ramp(ctx, "mirror", 10_000, nil); err != nil {
		t.Errorf("after the release: %v", err)
	}
	if err := c.Release(ctx); gateOf(err) != GateHeld {
		t.Errorf("a second release: %v", err)
	}
	es, _ := audit.New(r.book(), nil).Read(ctx, 1, 1000)
	var verbs []string
	for _, e := range es {
		if e.Verb == "hold" || e.Verb == "release" || e.Verb == "ramp" && e.Who == "me" && e.Outcome != audit.Asked && e.Outcome != audit.Done {
			verbs = append(verbs, e.Verb+" "+e.Who)
		}
	}
	if want := []string{"hold plan", "ramp me", "release me"}; !slices.Equal(verbs, want) {
		t.Errorf("the log has %q, want %q", verbs, want)
	}
}

// TestGateTakesBack: in a step that says so, a gate that fails takes it back,
// also while somebody holds.
func TestGateTakesBack(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("held=%v", held), func(t *testing.T) {
			r := newPlanRig(t, 1, func(o *Options) { o.Plan = planOf(t, quickPlan) }, "web-1", "web-2")
			ctx, c := t.Context(), r.client(func(o *ClientOptions) { o.Who, o.Reason = "ada", "black friday" })
			r.ready(r.agents["web-1"], r.agents["web-2"])
			r.traffic("web-1", "web-2")
			r.ramp("mirror", 100)
			if _, err := c.Backfill(ctx, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Verify(ctx, nil); err != nil {
				t.Fatal(err)
			}
			r.ramp("read-new", 100)
			if held {
				if err := c.Hold(ctx); err != nil {
					t.Fatal(err)
				}
			}
			r.until("the step to be judged", func() bool {
				v := r.planned()
				return v != nil && v.Done == 5 && slices.ContainsFunc(v.Gates, func(g gates.Verdict) bool { return g.Gate == gates.Errors && g.State == gates.Pass })
			})
			r.fault.Store(&memory.Fault{Kind: memory.NotApplied})
			began := time.Now()
			r.until("a rollback", func() bool { j := r.servers[0].current(); return j != nil && j.goal.Verb == "rollback" })
			if took := time.Since(began); took > slack(holdMost) {
				t.Errorf("it took %v, wanted at most %v", took, holdMost)
			}
			r.fault.Store(nil)
			r.until("mirror", func() bool {
				o, err := c.Overview(ctx)
				return err == nil && o.State == "mirror 100 %" && o.Doing == nil
			})
			v := r.planned()
			if v.Held == nil || (v.Held.By == "ada") != held {
				t.Errorf("held by %+v", v.Held)
			}
		})
	}
}

// TestHoldOutlivesTheLeader: who holds, and why, is told by the next one.
func TestHoldOutlivesTheLeader(t *testing.T) {
	r := newPlanRig(t, 2, func(o *Options) {
		o.Plan, o.PlanAuto, o.Look = planOf(t, quickPlan), true, 40*time.Millisecond
	}, "web-1")
	ctx := t.Context()
	c := r.client(func(o *ClientOptions) { o.Who, o.Reason = "ada", "black friday" })
	r.ready(r.agents["web-1"])
	r.until("a plan", func() bool { return r.planned() != nil })
	if err := c.Hold(ctx); err != nil {
		t.Fatal(err)
	}
	first := slices.IndexFunc(r.servers, func(s *testServer) bool { return s.leads() })
	r.servers[first].kill()
	r.until("the other server to judge", func() bool { return r.planned() != nil })
	r.until("the hold to be told", func() bool { return r.planned().Why == "held by ada: 'black friday'" })
	before := r.planned().Done
	time.Sleep(10 * 40 * time.Millisecond)
	if got := r.planned().Done; got != before {
		t.Errorf("step %d was taken while held", got)
	}
	if _, err := c.Advance(ctx, before, nil); gateOf(err) != GateHeld {
		t.Errorf("advance: %v", err)
	}
	r.until("the release", func() bool { return c.Release(ctx) == nil })
	r.until("the first step", func() bool { v := r.planned(); return v != nil && v.Done > before })
}

// TestAdvance: one step by hand, once its gates pass; of two who advance at once
// the second is told.
func TestAdvance(t *testing.T) {
	r := newPlanRig(t, 1, func(o *Options) {
		o.Look, o.Plan = 40*time.Millisecond, planOf(t, `
gates: {samples: 0, p99: off}
steps:
  - {ramp: mirror, to: 1, soak: 1h}
  - {ramp: mirror, to: 100}
`)
	}, "web-1")
	ctx, c := t.Context(), r.client()
	r.ready(r.agents["web-1"])
	r.until("the fleet to be heard", func() bool { v := r.planned(); return v != nil && v.Ready })
	if why := r.planned().Why; !strings.Contains(why, "crossfade advance: next is ramp mirror 1") {
		t.Errorf("it waits for %q", why)
	}
	if a, err := c.Advance(ctx, 0, nil); err != nil || a.Verb != "ramp" || a.Result == nil || a.Result.State != "mirror 1 %, off 99 %" {
		t.Fatalf("advance: %+v, %v", a, err)
	}
	r.until("the step to be there", func() bool { return r.planned().Done == 1 })
	if _, err := c.Advance(ctx, 0, nil); gateOf(err) != migrate.GateRevision {
		t.Errorf("the same step again: %v", err)
	}
	r.until("the soak", func() bool { return strings.HasPrefix(r.planned().Why, "soak: ") })
	if _, err := c.Advance(ctx, 1, nil); gateOf(err) != gates.Soak {
		t.Errorf("before the soak is over: %v", err)
	}
	r.agents["web-1"].stop(false) // it says nothing more
	r.until("the silence to be told", func() bool { return strings.Contains(r.planned().Why, "web-1") })
	for _, g := range r.planned().Gates {
		if g.Gate == gates.Errors && g.State != gates.Inconclusive {
			t.Errorf("with a silent agent gate errors says %s: %s", g.State, g.Text)
		}
	}
}

// slack is what the race detector, and others on this machine, may add.
func slack(most time.Duration) time.Duration {
	if raceEnabled {
		return most + 30*time.Second
	}
	return most
}
