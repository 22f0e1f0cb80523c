package agentapi

import (
	"context"
	"net/http"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/evidence"
)

// Evidence is the answer to GET /v1/evidence: what the agent has seen since it
// began, and how it is. It is asked for twice a second, so nothing is in it that
// takes a look into a store.
type Evidence struct {
	Agent        string   `json:"agent"`
	Start        string   `json:"start"` // of the life that all counts are of
	Epoch        uint64   `json:"epoch"`
	Acknowledged bool     `json:"acknowledged"`
	Waiting      []string `json:"waiting,omitempty"`
	Marks        int64    `json:"marks_standing"`
	// BreakerNew and BreakerOld are closed, half-open or open.
	BreakerNew string `json:"breaker_new"`
	BreakerOld string `json:"breaker_old"`
	// Queued are the mirrored writes that have not arrived, and Lag how long the one
	// that arrived last had waited; 0 when nothing is queued.
	Queued int64         `json:"mirror_queued"`
	Lag    time.Duration `json:"mirror_lag_ns"`
	// Failovers is how often new became another server, in this life.
	Failovers int64 `json:"failovers"`
	// Seen is nil where the agent keeps none.
	Seen *evidence.Evidence `json:"seen,omitempty"`
}

func (h *Handler) evidence(w http.ResponseWriter, _ *http.Request) {
	st := h.l.Status()
	e := Evidence{Agent: h.o.Name, Start: st.Start, Epoch: st.Epoch, Acknowledged: st.Acknowledged, Waiting: st.Waiting,
		Marks: st.MarksStanding, BreakerNew: st.BreakerNew, BreakerOld: st.BreakerOld, Failovers: int64(st.Failovers), Queued: st.Queued, Lag: st.MirrorLag}
	if h.o.Evidence != nil {
		e.Seen = h.o.Evidence()
	}
	answer(w, e)
}

// Evidence of the agent.
func (c *Client) Evidence(ctx context.Context) (e Evidence, err error) {
	err = c.call(ctx, c.o.Timeout, http.MethodGet, "evidence", nil, &e)
	return e, err
}
