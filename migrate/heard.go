package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

const (
	// freshFor is how old what an agent says in its note may be: its number must
	// have risen between two looks that lie no further apart.
	freshFor = 3 * time.Second
	// lookAgain is how long after the first look the second is: agents write each
	// second.
	lookAgain = 1200 * time.Millisecond
)

// ears remember what agents' notes said last. The zero value has heard nothing.
type ears struct {
	mu   sync.Mutex         // guards last
	last map[string]heardAt // by agent and start id
}

type heardAt struct {
	seq   uint64
	at    time.Time // of the look
	moved time.Time // when it was last seen to have risen; zero: never
}

// hear notes one look. fresh: the number has risen since a look that was no
// longer ago than freshFor.
func (e *ears) hear(agent string, h epochs.Heard, now time.Time) (fresh bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = map[string]heardAt{}
	}
	key := agent + " " + h.Start
	was, known := e.last[key]
	is := heardAt{seq: h.Seq, at: now, moved: was.moved}
	if known && h.Seq > was.seq && now.Sub(was.at) <= freshFor {
		is.moved = now
	}
	e.last[key] = is
	return !is.moved.IsZero() && now.Sub(is.moved) <= freshFor
}

// heard fills in, for agents that did not answer, what they say in their own
// notes: an agent whose note moves on is there, and its status is the one in it. A
// life counts that was heard of last, or one that followed it in its state folder:
// what another process under that name has acknowledged says nothing of it.
// Where there is a note that was not seen before, it looks twice.
func (m *Migration) heard(ctx context.Context, replies []reply) {
	if _, _, ok := m.notes(); !ok {
		return
	}
	if m.listen(ctx, replies) && pause(ctx, lookAgain) == nil {
		m.listen(ctx, replies)
	}
}

// listen looks once; again tells that a note may move on which has not yet.
func (m *Migration) listen(ctx context.Context, replies []reply) (again bool) {
	old, new, _ := m.notes()
	ctx, cancel := context.WithTimeout(ctx, notesMost)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex // guards again
	for i := range replies {
		a := &replies[i]
		if a.err == nil || a.known == "" {
			continue
		}
		wg.Go(func() {
			for _, h := range epochs.ReadHeard(ctx, old, new, a.known) {
				if !m.ears.hear(a.known, h, time.Now()) {
					mu.Lock()
					again = true
					mu.Unlock()
					continue
				}
				var s agentapi.Status
				switch {
				case json.Unmarshal(h.Status, &s) != nil || s.Agent != a.known || s.Start != h.Start:
				case a.life != "" && s.Start != a.life && !slices.Contains(s.Former, a.life):
					a.err = errors.New("another agent of its name tells how it is, and cannot show that it took its place")
				default:
					a.status, a.err = s, nil
				}
			}
		})
	}
	wg.Wait()
	return again
}
