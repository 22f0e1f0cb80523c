package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/seed-41165957/crossfade/migrate"
)

// Order is the body of POST /v1/hold, /v1/release and /v1/auto.
type Order struct {
	migrate.Actor
	On       bool   `json:"on,omitempty"`       // of auto
	Revision uint64 `json:"revision,omitempty"` // as in Ask
}

func (s *Server) plannedView(w http.ResponseWriter, _ *http.Request) {
	v := s.planner.last()
	if v == nil {
		fail(w, http.StatusServiceUnavailable, "this server does not lead, or has just begun to: ask the others, or again")
		return
	}
	answer(w, v)
}

// ordered does what takes an instant.
func (s *Server) ordered(w http.ResponseWriter, r *http.Request, fn func(ctx context.Context, o Order) error) {
	var o Order
	if !read(w, r, &o) {
		return
	}
	if !s.leads() {
		answer(w, Line{Failure: failureOf(errNotLeading)})
		return
	}
	o.Actor = acts(r, o.Actor)
	l := Line{Result: json.RawMessage(`{}`)}
	err := s.inForce(o.Revision)
	if err == nil {
		err = fn(migrate.WithActor(r.Context(), o.Actor), o)
	}
	if err != nil {
		l = Line{Failure: failureOf(err)}
	}
	answer(w, l)
}

func (s *Server) holding(w http.ResponseWriter, r *http.Request) {
	s.ordered(w, r, func(ctx context.Context, o Order) error {
		p, err := s.hold(ctx, Hold{By: o.Who, Why: o.Why})
		if err == nil && p.Held != nil && (p.Held.By != o.Who || p.Held.Why != o.Why) {
			return p.Held.refusal()
		}
		return err
	})
}

func (s *Server) releasing(w http.ResponseWriter, r *http.Request) {
	s.ordered(w, r, func(ctx context.Context, _ Order) error {
		was, err := s.release(ctx)
		if err == nil && was == nil {
			return &refusal{Gate: GateHeld, Found: "nobody holds", Do: "crossfade status says what it waits for"}
		}
		return err
	})
}

func (s *Server) automatic(w http.ResponseWriter, r *http.Request) {
	s.ordered(w, r, func(ctx context.Context, o Order) error {
		_, err := s.changePlace(ctx, func(p *place) bool { was := p.Auto; p.Auto = o.On; return was != o.On })
		if err != nil {
			return err
		}
		return s.m.Noted(ctx, "advance --auto", map[string]bool{"on": o.On}, "done")
	})
}

// inForce refuses who has looked at another revision than the one that stands.
func (s *Server) inForce(looked uint64) error {
	if looked == 0 {
		return nil
	}
	at, err := s.m.Reached(nil)
	if err != nil {
		return err
	}
	if at.Epoch != looked {
		return &refusal{Gate: migrate.GateRevision, Found: fmt.Sprintf("revision %d is in force, and this was asked of revision %d", at.Epoch, looked),
			Do: "look at what has changed, then ask again if it is still wanted"}
	}
	return nil
}
