package agentapi

import (
	"context"
	"net/http"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
)

// Synthetic is the answer to POST /v1/synthetic: one round trip of a synthetic
// session of each kind, through the agent's own layer.
type Synthetic struct {
	Agent string `json:"agent"`
	// Off is why it makes none; empty: it does.
	Off   string            `json:"off,omitempty"`
	Trips []darklaunch.Trip `json:"trips,omitempty"`
	// None are the kinds whose ids have no room for a synthetic session.
	None []string `json:"none,omitempty"`
}

// tripMost bounds a question: five operations, each of which may take both
// stores' deadlines.
const tripMost = 20 * time.Second

func (h *Handler) synthetic(w http.ResponseWriter, r *http.Request) {
	s := Synthetic{Agent: h.o.Name, Off: h.o.SyntheticOff}
	switch {
	case s.Off != "":
	case h.State() == Stopping:
		s.Off = "it stops"
	default:
		ctx, cancel := context.WithTimeout(r.Context(), tripMost)
		defer cancel()
		s.Trips, s.None = h.l.Synthetic(ctx)
	}
	answer(w, s)
}

// Synthetic lets the agent make its round trips.
func (c *Client) Synthetic(ctx context.Context) (s Synthetic, err error) {
	err = c.call(ctx, tripMost+c.o.Timeout, http.MethodPost, "synthetic", nil, &s)
	return s, err
}
