package control

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
)

const (
	// calmFor is how long a store must not have failed before a fault is over: a
	// breaker lets one call a second through, and may close and open again.
	calmFor = 10 * time.Second
	// together is how long agents are waited for that see the same failover.
	together = 5 * time.Second
	// namedMost is how many agents a fault names.
	namedMost = 5
)

// faults follows what befalls the stores, as the agents see it, and has it written
// down: once when it begins and once when it is over, however often it flaps and
// however many see it. Its zero value has seen nothing. One goroutine uses it.
type faults struct {
	down    map[string]*outage    // by store
	last    map[string]storesSeen // by agent
	turning *outage               // a failover that is still being seen
}

// outage is a fault that is not over.
type outage struct {
	migrate.Fault
	seen        map[string]bool // agents
	began, last time.Time
}

// storesSeen is how the stores are for one agent.
type storesSeen struct {
	Agent, Start string
	Open         []string // stores that it has given up
	Failovers    int64
}

// look notes one look at all agents that were heard lately.
func (f *faults) look(all []storesSeen, now time.Time, write func(migrate.Fault, string)) {
	if f.down == nil {
		f.down, f.last = map[string]*outage{}, map[string]storesSeen{}
	}
	for _, a := range all {
		for _, store := range a.Open {
			o := f.down[store]
			if o == nil {
				o = newOutage(store, migrate.FaultDown, now)
				f.down[store] = o
			}
			o.note(a.Agent, len(all), now)
		}
		was := f.last[a.Agent]
		f.last[a.Agent] = a
		if was.Start == a.Start && a.Failovers > was.Failovers {
			if f.turning == nil {
				f.turning = newOutage("new", migrate.FaultFailover, now)
			}
			f.turning.note(a.Agent, len(all), now)
		}
	}
	for store, o := range f.down {
		// The second look has more of the agents that see the same.
		if !o.told() && now.Sub(o.began) >= time.Second {
			write(o.tell(), migrate.FaultSeen)
		}
		if now.Sub(o.last) >= calmFor {
			if !o.told() {
				write(o.tell(), migrate.FaultSeen)
			}
			write(o.tell(), fmt.Sprintf("over after %v", o.last.Sub(o.began).Round(time.Second)))
			delete(f.down, store)
		}
	}
	if o := f.turning; o != nil && now.Sub(o.began) >= together {
		write(o.tell(), migrate.FaultSeen)
		f.turning = nil
	}
}

func newOutage(store, what string, now time.Time) *outage {
	return &outage{Fault: migrate.Fault{Store: store, What: what}, seen: map[string]bool{}, began: now}
}

func (o *outage) note(agent string, of int, now time.Time) {
	o.seen[agent], o.last, o.Of = true, now, of
}

func (o *outage) told() bool { return o.ID != "" }

// tell is the fault as it is written down.
func (o *outage) tell() migrate.Fault {
	if o.ID == "" {
		o.ID = rand.Text()[:10]
	}
	f := o.Fault
	for a := range o.seen {
		f.Agents = append(f.Agents, a)
	}
	slices.Sort(f.Agents)
	if n := len(f.Agents); n > namedMost {
		f.Agents = append(f.Agents[:namedMost:namedMost], fmt.Sprintf("and %d more", n-namedMost))
	}
	return f
}

// stores is how the stores are for the agents that were heard lately.
func (w *witness) stores(now time.Time) (all []storesSeen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, h := range w.by {
		if now.Sub(h.at) > silentAfter {
			continue
		}
		s := storesSeen{Agent: name, Start: h.said.Start, Failovers: h.said.Failovers}
		if b := h.said.BreakerOld; b != "" && b != "closed" {
			s.Open = append(s.Open, "old")
		}
		if b := h.said.BreakerNew; b != "" && b != "closed" {
			s.Open = append(s.Open, "new")
		}
		all = append(all, s)
	}
	return all
}
