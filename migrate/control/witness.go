package control

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/evidence"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

const (
	askFor = 2 * time.Second
	// silentAfter is how old the last evidence of an agent may be: an answer that
	// was late, and the next one.
	silentAfter = 3 * time.Second
	// goneAfter is how long after its last word nothing is kept of an agent: hosts
	// with a name of their own come and go for as long as a server leads.
	goneAfter = time.Hour
	// slots of the window: it slides by one at a time.
	slots = 12
)

// witness keeps what the fleet has seen: since the step was begun, and lately.
// An agent's counts are taken as the difference to what it said before; its
// first word after this server began to listen only sets the mark.
type witness struct {
	window    time.Duration
	tripEvery time.Duration // 0: no synthetic sessions are asked for

	mu     sync.Mutex // guards what follows
	by     map[string]*heard
	step   *evidence.Evidence
	point  *sample              // since the last point of the series
	since  time.Time            // when it was begun
	lately []*evidence.Evidence // the newest last, at most slots
	turned time.Time            // when the newest was begun
	trips  map[string]tripped   // by agent
}

// heard is what one agent said last.
type heard struct {
	at   time.Time
	said agentapi.Evidence
}

func newWitness(window time.Duration) *witness {
	return &witness{window: window, by: map[string]*heard{}, step: &evidence.Evidence{}, point: &sample{}}
}

// note takes in what an agent says at a time.
func (w *witness) note(name string, e agentapi.Evidence, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.by[name]
	w.by[name] = &heard{at: now, said: e}
	if was == nil {
		maps.DeleteFunc(w.by, func(_ string, h *heard) bool { return now.Sub(h.at) > goneAfter })
		maps.DeleteFunc(w.trips, func(_ string, t tripped) bool { return now.Sub(t.at) > goneAfter })
	}
	if was == nil || e.Seen == nil {
		return
	}
	since := *e.Seen
	if was.said.Start == e.Start && was.said.Seen != nil {
		since.Less(was.said.Seen)
	}
	w.turn(now)
	w.step.Add(&since)
	w.point.seen.Add(&since)
	w.lately[len(w.lately)-1].Add(&since)
}

// turn begins a new slot when it is time. w.mu is held.
func (w *witness) turn(now time.Time) {
	long := w.window / slots
	if len(w.lately) == 0 || now.Sub(w.turned) > w.window {
		w.lately, w.turned = []*evidence.Evidence{{}}, now
		return
	}
	for now.Sub(w.turned) >= long {
		w.lately = append(w.lately, &evidence.Evidence{})
		w.turned = w.turned.Add(long)
	}
	if over := len(w.lately) - slots; over > 0 {
		w.lately = slices.Delete(w.lately, 0, over)
	}
}

// sample is what was seen since the last call, and how the agents are that have
// said so lately.
func (w *witness) sample(now time.Time) *sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.point
	x.seconds = max(now.Sub(w.since), time.Millisecond).Seconds()
	w.point, w.since = &sample{}, now
	for _, h := range w.by {
		if now.Sub(h.at) > silentAfter {
			continue
		}
		x.marks += h.said.Marks
		x.queued += h.said.Queued
		x.lag = max(x.lag, h.said.Lag)
	}
	return x
}

func (w *witness) forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.by, name)
	delete(w.trips, name)
}

// begin forgets what was seen, since a step begins, and gives what was usual
// before it.
func (w *witness) begin(now time.Time) gates.Base {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := w.sum(now)
	var b gates.Base
	b.Requests, b.Failed = sum.Asked()
	b.Calls, b.Errors, b.Timeouts = sum.Called(rules.New)
	w.step, w.lately = &evidence.Evidence{}, nil
	return b
}

// sum of the window. w.mu is held.
func (w *witness) sum(now time.Time) *evidence.Evidence {
	sum := &evidence.Evidence{}
	if len(w.lately) > 0 {
		w.turn(now)
	}
	for _, e := range w.lately {
		sum.Add(e)
	}
	return sum
}

// seen fills in what the agents of the roster have said.
func (w *witness) seen(s *gates.Seen, roster []string, epoch uint64, now time.Time) (starts map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Step, s.Lately, s.Window, s.Agents = *w.step, *w.sum(now), w.window, len(roster)
	s.Trips = w.tripsOf(roster, now)
	starts = map[string]string{}
	for _, name := range roster {
		h := w.by[name]
		if h == nil || now.Sub(h.at) > silentAfter {
			s.Silent = append(s.Silent, name)
			continue
		}
		starts[name] = h.said.Start
		s.Marks += h.said.Marks
		if h.said.BreakerNew != "closed" {
			s.Open = append(s.Open, name)
		}
		switch {
		case h.said.Epoch != epoch:
			s.Lagging = append(s.Lagging, name+": it serves another revision")
		case !h.said.Acknowledged:
			why := "it has not acknowledged the revision"
			if len(h.said.Waiting) > 0 {
				why = "it waits for " + h.said.Waiting[0]
			}
			s.Lagging = append(s.Lagging, name+": "+why)
		}
	}
	return starts
}

// question asks an agent for evidence again and again, until ctx ends. Only the
// server that leads judges.
func (s *Server) question(ctx context.Context, c *agentapi.Client) {
	for ctx.Err() == nil {
		began := time.Now()
		if s.leads() {
			one, cancel := context.WithTimeout(ctx, askFor)
			e, err := c.Evidence(one)
			cancel()
			if err == nil {
				s.planner.witness.note(c.Addr(), e, time.Now())
			}
		}
		sleep(ctx, s.o.Look-time.Since(began))
	}
}
