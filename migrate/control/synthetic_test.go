package control

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

// TestSyntheticGate: a fleet without one client is known to serve; where new does
// not take what cutover writes there, the gate names agents and step, and the plan
// is held. No share of anything has a sample in it.
func TestSyntheticGate(t *testing.T) {
	p := planOf(t, `
gates: {samples: off, p99: off, divergence: off, errors: off, timeouts: off, logouts: off}
steps:
  - {ramp: mirror, to: 50, soak: 0s}
  - {ramp: mirror, to: 100, soak: 200ms}
`)
	r := newPlanRig(t, 1, func(o *Options) {
		o.Plan, o.Look, o.Synthetic = p, 20*time.Millisecond, 50*time.Millisecond
	}, "web-1", "web-2")
	r.ready(r.agents["web-1"], r.agents["web-2"])
	r.ramp("mirror", 50)
	is := func(state gates.State, texts ...string) func() bool {
		return func() bool {
			v := r.planned()
			if v == nil {
				return false
			}
			i := slices.IndexFunc(v.Gates, func(g gates.Verdict) bool { return g.Gate == gates.Synthetic })
			return i >= 0 && v.Gates[i].State == state && !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(v.Gates[i].Text, s) })
		}
	}
	r.until("the gate to pass", is(gates.Pass, "round trips through 2 of 2 agents"))
	w := r.servers[0].planner.witness
	w.mu.Lock()
	asked, _ := w.step.Asked()
	calls, _, _ := w.step.Called(0)
	w.mu.Unlock()
	if asked != 0 || calls != 0 {
		t.Errorf("%d requests and %d calls count as evidence, and no client asked anything", asked, calls)
	}

	r.oldFault.Store(&memory.Fault{Kind: memory.NotApplied})
	r.until("the gate to fail", is(gates.Fail, "web-1: set (php, ", "web-2: set (php, ", "in a row"))
	r.until("the plan to be held", func() bool { v := r.planned(); return v != nil && v.Held != nil && v.Held.Gate == gates.Synthetic })
	r.oldFault.Store(nil)
	r.until("the gate to pass again", is(gates.Pass))

	r.agents["web-2"].leave()
	r.until("an agent that is gone to be missed", is(gates.Inconclusive, "web-2"))
}

// TestTrips: what an agent says of its round trips, as the gate is given it.
func TestTrips(t *testing.T) {
	w, now := newWitness(time.Minute), time.Now()
	w.tripEvery = 5 * time.Second
	bad := agentapi.Synthetic{Trips: []darklaunch.Trip{{Kind: "php", Position: "fenced"}, {Kind: "node", Position: "read-new", Step: "read", Why: "it is missing"}}}
	good := agentapi.Synthetic{Trips: []darklaunch.Trip{{Kind: "php", Took: time.Millisecond}, {Kind: "node", Took: 2 * time.Millisecond}}}
	get := func(at time.Time) gates.Trips {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.tripsOf([]string{"web-1"}, at)[0]
	}
	if got := get(now); got.Known {
		t.Errorf("known before anything was heard: %+v", got)
	}
	w.trip("web-1", bad, nil, now)
	w.trip("web-1", agentapi.Synthetic{}, errors.New("does not answer"), now)
	w.trip("web-1", bad, nil, now)
	if got := get(now); !got.Known || got.Failed != 3 || got.Why != "read (node, read-new): it is missing" {
		t.Errorf("got %+v", got)
	}
	w.trip("web-1", good, nil, now)
	if got := get(now); got.Failed != 0 || got.Why != "" || got.Took != 2*time.Millisecond {
		t.Errorf("after a good one: %+v", got)
	}
	if got := get(now.Add(time.Minute)); got.Known {
		t.Errorf("known after a minute of silence: %+v", got)
	}
	w.trip("web-1", agentapi.Synthetic{None: []string{"tiny"}}, nil, now)
	if got := get(now); !strings.Contains(got.Off, "tiny") || got.Failed != 0 {
		t.Errorf("no room in any kind: %+v", got)
	}
	w.trip("web-1", agentapi.Synthetic{Off: "old is session files"}, nil, now)
	if got := get(now); got.Off != "old is session files" {
		t.Errorf("off: %+v", got)
	}
}
