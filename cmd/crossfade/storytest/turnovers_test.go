package storytest

import (
	"context"
	"sync"
	"time"
)

// turnovers are the moments at which agents saw that new is another server,
// whoever had asked for that: Sentinels on a busy machine take a primary for dead
// that is not.
type turnovers struct {
	mu   sync.Mutex // guards seen
	seen []time.Time
}

const (
	// bound of the table, after an agent has seen it.
	turnoverBound = 2 * time.Second
	// turnoverBefore is how long a failover may have been over before the agents
	// saw it: they look each second, and we at them.
	turnoverBefore = 3 * time.Second
	lookAtAgents   = 200 * time.Millisecond
)

// watch notes them until ctx ends.
func (o *turnovers) watch(ctx context.Context, agents []*process) {
	type life struct {
		start string
		n     int64
	}
	was := map[string]life{}
	for ctx.Err() == nil {
		for _, a := range agents {
			ask, cancel := context.WithTimeout(ctx, lookAtAgents)
			st, err := a.api.Status(ask)
			cancel()
			if err != nil {
				continue
			}
			if before, known := was[a.name]; known && before.start == st.Start && st.Failovers > before.n || (!known || before.start != st.Start) && st.Failovers > 0 {
				o.mu.Lock()
				o.seen = append(o.seen, time.Now())
				o.mu.Unlock()
			}
			was[a.name] = life{st.Start, st.Failovers}
		}
		select {
		case <-time.After(lookAtAgents):
		case <-ctx.Done():
		}
	}
}

// excuse tells whether a failover explains the read: the write that it missed was
// acknowledged before agents saw it, and the read began within its bound.
func (o *turnovers) excuse(f finding) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.seen {
		if f.last.Before(t) && f.read.After(t.Add(-turnoverBefore)) && f.read.Before(t.Add(turnoverBound)) {
			return true
		}
	}
	return false
}
