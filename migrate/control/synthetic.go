package control

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

// tripped is what came of an agent's round trips with synthetic sessions.
type tripped struct {
	at time.Time // of the last that was answered, or failed to be
	gates.Trips
}

// trip notes one.
func (w *witness) trip(name string, s agentapi.Synthetic, err error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trips == nil {
		w.trips = map[string]tripped{}
	}
	is := tripped{now, gates.Trips{Agent: name, Known: true, Off: s.Off}}
	var bad []string
	for _, t := range s.Trips {
		is.Took = max(is.Took, t.Took)
		if t.Step != "" {
			bad = append(bad, fmt.Sprintf("%s (%s, %s): %s", t.Step, t.Kind, t.Position, t.Why))
		}
	}
	switch {
	case err != nil:
		bad = []string{err.Error()}
	case s.Off == "" && len(s.Trips) == 0:
		is.Off = "the ids of its kinds have no room for one: " + strings.Join(s.None, ", ")
	}
	if is.Why = strings.Join(bad, ", "); is.Why != "" {
		is.Failed = w.trips[name].Failed + 1
	}
	w.trips[name] = is
}

// tripsOf are those of the roster. w.mu is held. What is older than three rounds
// says nothing: the agent is silent, which the gate fleet says better.
func (w *witness) tripsOf(roster []string, now time.Time) []gates.Trips {
	out := make([]gates.Trips, len(roster))
	for i, name := range roster {
		out[i].Agent = name
		if t, ok := w.trips[name]; ok && now.Sub(t.at) <= 3*w.tripEvery+silentAfter {
			out[i] = t.Trips
		}
	}
	return out
}

// probe lets an agent make round trips again and again, until ctx ends. Only the
// server that leads asks.
func (s *Server) probe(ctx context.Context, c *agentapi.Client) {
	every := s.planner.witness.tripEvery
	if every <= 0 {
		return
	}
	for ctx.Err() == nil {
		if s.leads() {
			t, err := c.Synthetic(ctx)
			if ctx.Err() == nil {
				s.planner.witness.trip(c.Addr(), t, err, time.Now())
			}
		}
		// Not all agents at one moment.
		sleep(ctx, every/2+rand.N(every))
	}
}
