package agentapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// observeMost bounds an observation: what it remembers is memory of the agent.
const observeMost = 24 * time.Hour

// hashesMost is how many sessions one question is about.
const hashesMost = 5000

// Observe is the body of POST /v1/observe.
type Observe struct {
	Seconds float64 `json:"seconds"`
}

// Observed is the answer to GET /v1/observed.
type Observed struct {
	darklaunch.Observed
	// Unsupported counts commands that were refused since the agent started, by
	// class.
	Unsupported map[string]uint64 `json:"unsupported,omitempty"`
}

// Sessions is the body of POST /v1/seen-changes, and the answer to GET
// /v1/seen-deletes: keyed hashes.
type Sessions struct {
	Hashes []string `json:"hashes"`
}

// Seen is the answer: what clients did with them, in the order of the question.
type Seen struct {
	Seen []darklaunch.SeenChange `json:"seen"`
}

func (h *Handler) observe(w http.ResponseWriter, r *http.Request) {
	var q Observe
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMost)).Decode(&q); err != nil || q.Seconds <= 0 || q.Seconds > observeMost.Seconds() {
		fail(w, http.StatusBadRequest, "accepted is {\"seconds\": more than 0, at most 86400}")
		return
	}
	h.l.Observe(time.Duration(q.Seconds * float64(time.Second)))
	answer(w, struct{}{})
}

func (h *Handler) observed(w http.ResponseWriter, _ *http.Request) {
	o, ok := h.l.Observed()
	if !ok {
		fail(w, http.StatusConflict, "nothing is observed: POST /v1/observe first")
		return
	}
	a := Observed{Observed: o}
	if h.o.Unsupported != nil {
		a.Unsupported = h.o.Unsupported()
	}
	answer(w, a)
}

func (h *Handler) seenDeletes(w http.ResponseWriter, _ *http.Request) {
	s := Sessions{Hashes: []string{}}
	for _, hash := range h.l.SeenDeletes(hashesMost) {
		s.Hashes = append(s.Hashes, hash.String())
	}
	answer(w, s)
}

func (h *Handler) seenChanges(w http.ResponseWriter, r *http.Request) {
	var q Sessions
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, hashesMost*64)).Decode(&q); err != nil || len(q.Hashes) > hashesMost {
		fail(w, http.StatusBadRequest, "accepted is {\"hashes\": up to 5000}")
		return
	}
	hs := make([]flags.Hash, len(q.Hashes))
	for i, text := range q.Hashes {
		var err error
		if hs[i], err = flags.ParseHash(text); err != nil {
			fail(w, http.StatusBadRequest, "a hash is not one: accepted are 32 lower-case hex digits")
			return
		}
	}
	answer(w, Seen{h.l.SeenChanges(hs)})
}

// Observe lets the agent note what its clients do, for a while.
func (c *Client) Observe(ctx context.Context, long time.Duration) error {
	return c.call(ctx, c.o.Timeout, http.MethodPost, "observe", Observe{long.Seconds()}, nil)
}

// Observed is what the agent has noted.
func (c *Client) Observed(ctx context.Context) (o Observed, err error) {
	err = c.call(ctx, c.o.Timeout, http.MethodGet, "observed", nil, &o)
	return o, err
}

// SeenDeletes are sessions that clients of the agent deleted, and did not write
// again there; at most 5,000.
func (c *Client) SeenDeletes(ctx context.Context) ([]flags.Hash, error) {
	var s Sessions
	if err := c.call(ctx, c.o.Timeout, http.MethodGet, "seen-deletes", nil, &s); err != nil {
		return nil, err
	}
	hs := make([]flags.Hash, len(s.Hashes))
	for i, text := range s.Hashes {
		var err error
		if hs[i], err = flags.ParseHash(text); err != nil {
			return nil, fmt.Errorf("agentapi: %s: not the answer of an agent: %w", c.addr, err)
		}
	}
	return hs, nil
}

// SeenChanges tells what clients of the agent did with the sessions while it
// observed.
func (c *Client) SeenChanges(ctx context.Context, hs []flags.Hash) ([]darklaunch.SeenChange, error) {
	out := make([]darklaunch.SeenChange, 0, len(hs))
	for len(hs) > 0 {
		n := min(len(hs), hashesMost)
		q := Sessions{}
		for _, h := range hs[:n] {
			q.Hashes = append(q.Hashes, h.String())
		}
		hs = hs[n:]
		var s Seen
		if err := c.call(ctx, c.o.Timeout, http.MethodPost, "seen-changes", q, &s); err != nil {
			return nil, err
		}
		out = append(out, s.Seen...)
	}
	return out, nil
}
