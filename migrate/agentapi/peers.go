package agentapi

import (
	"context"
	"net/http"

	"github.com/seed-41165957/crossfade/backends"
)

// Peers is the answer to GET /v1/peers: who is connected to old, as its servers
// say, and which of those connections are the agent's own.
type Peers struct {
	Peers []backends.Peer `json:"peers"`
	Own   []string        `json:"own"`
	Error string          `json:"error,omitempty"` // old does not say
}

func (h *Handler) peers(w http.ResponseWriter, r *http.Request) {
	var p Peers
	var err error
	if p.Peers, p.Own, err = h.l.Peers(r.Context()); err != nil {
		p.Error = err.Error()
	}
	answer(w, p)
}

// Peers are the connections to old.
func (c *Client) Peers(ctx context.Context) (p Peers, err error) {
	err = c.call(ctx, c.o.Timeout, http.MethodGet, "peers", nil, &p)
	return p, err
}
