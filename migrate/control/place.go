package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

// place is the page of the plan: what cannot be read off the flags.
type place struct {
	Version int `json:"version"`
	// Step is how many steps had been reached at Since, when the last of them
	// was; Base what was usual before it.
	Step  int        `json:"step"`
	Since time.Time  `json:"since"`
	Base  gates.Base `json:"base"`
	Goal  string     `json:"goal,omitempty"` // that Base is before
	Auto  bool       `json:"auto,omitempty"` // steps follow by themselves
	Held  *Hold      `json:"held,omitempty"`
}

// Hold stands in the way of each further step, until it is released.
type Hold struct {
	By   string    `json:"by"`             // a person's login, or "plan"
	Why  string    `json:"why,omitempty"`  // in words; of a gate: its numbers
	Gate string    `json:"gate,omitempty"` // that failed; empty: somebody holds
	At   time.Time `json:"at"`
}

func (h *Hold) String() string {
	text := "held by " + or(h.By, "nobody known")
	switch {
	case h.Gate != "":
		text += fmt.Sprintf(": gate %s: %s", h.Gate, h.Why)
	case h.Why != "":
		text += fmt.Sprintf(": '%s'", h.Why)
	}
	return text
}

// GateHeld refuses a step while a hold stands.
const GateHeld = "held"

func (h *Hold) refusal() error {
	return &refusal{Gate: GateHeld, Found: h.String(), Do: "crossfade release, once that is over; crossfade rollback is never held"}
}

// planBy is who asks where the plan does by itself.
const planBy = "plan"

func (s *Server) loadPlace(ctx context.Context) (p place, err error) {
	p.Version = 1
	data, err := s.b.Load(ctx, book.Plan)
	if err != nil || data == nil {
		return p, err
	}
	if err := json.Unmarshal(data, &p); err != nil || p.Version != 1 {
		return p, fmt.Errorf("control: %s is damaged, or of another version: move it away; then the step soaks anew", s.b.Where(book.Plan))
	}
	return p, nil
}

// changePlace changes the page under the publisher's lock. change tells whether
// there is something to write.
func (s *Server) changePlace(ctx context.Context, change func(*place) bool) (p place, err error) {
	for {
		lock, err := s.b.TryLock(ctx, book.Publish)
		if err != nil {
			return p, err
		}
		if lock == nil {
			if sleep(ctx, 5*time.Millisecond); ctx.Err() != nil {
				return p, context.Cause(ctx)
			}
			continue
		}
		defer lock.Release()
		if p, err = s.loadPlace(ctx); err != nil || !change(&p) {
			return p, err
		}
		data, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return p, err
		}
		return p, s.b.Save(ctx, lock, book.Plan, append(data, '\n'))
	}
}
