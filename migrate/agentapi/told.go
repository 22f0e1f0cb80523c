package agentapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// Dirty is the answer to GET /v1/dirty, and the body of POST /v1/told: the
// sessions that an agent holds dirty in new, at most darklaunch.ToldMost.
type Dirty struct {
	Agent  string   `json:"agent"`
	Number uint64   `json:"number"` // another with each change, in one life of the agent
	Hashes []string `json:"hashes"`
}

const (
	dirtyMost = time.Second // a question waits for a change
	toldMost  = 64 + 40*darklaunch.ToldMost
)

func (h *Handler) dirty(w http.ResponseWriter, r *http.Request) {
	since, err := strconv.ParseUint(r.URL.Query().Get("since"), 10, 64)
	if err != nil {
		fail(w, http.StatusBadRequest, "since is a number")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), dirtyMost)
	defer cancel()
	hs, n := h.l.Dirty(ctx, since)
	d := Dirty{Agent: h.o.Name, Number: n, Hashes: make([]string, len(hs))}
	for i, x := range hs {
		d.Hashes[i] = x.String()
	}
	answer(w, d)
}

func (h *Handler) told(w http.ResponseWriter, r *http.Request) {
	var d Dirty
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, toldMost)).Decode(&d); err != nil || d.Agent == "" {
		fail(w, http.StatusBadRequest, "the question cannot be read")
		return
	}
	hs := make([]flags.Hash, len(d.Hashes))
	for i, text := range d.Hashes {
		var err error
		if hs[i], err = flags.ParseHash(text); err != nil {
			fail(w, http.StatusBadRequest, "a hash cannot be read")
			return
		}
	}
	h.l.Told(d.Agent, hs)
	answer(w, struct{}{})
}
