package agentapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

func (h *Handler) explain(w http.ResponseWriter, r *http.Request) {
	var q Question
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMost))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil || (q.Session == "") == (q.Hash == "") {
		// The error would show what was sent, and that may be an id.
		fail(w, http.StatusBadRequest, `not a question: accepted is {"session": "…"} or {"hash": "…"}`)
		return
	}
	if h.State() == Starting {
		fail(w, http.StatusServiceUnavailable, "no revision of the flags is known: where a session lives cannot be told; see the agent's readiness")
		return
	}
	if q.Hash != "" {
		hash, err := flags.ParseHash(q.Hash)
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return
		}
		at := h.l.Decision(hash)
		answer(w, []Explained{explained(darklaunch.Explanation{Hash: hash.String(), Decision: at, Ways: h.l.Ways(at)})})
		return
	}
	out := []Explained{}
	for _, ref := range h.sessions(q.Session) {
		e := h.l.Explain(r.Context(), ref)
		x := explained(e)
		x.Kind, x.Marks = ref.Kind().Name, &e.Marks
		x.DirtyOld, x.DirtyNew = e.Dirty[0], e.Dirty[1]
		old, new := looked(e.Stores[0]), looked(e.Stores[1])
		x.Old, x.New = &old, &new
		out = append(out, x)
	}
	if len(out) == 0 {
		fail(w, http.StatusNotFound, "no kind of sessions has such names or ids: see sessions[].keys")
		return
	}
	answer(w, out)
}

// sessions that a name, or a bare id, may stand for.
func (h *Handler) sessions(text string) []kinds.Ref {
	if ref, ok := h.o.Kinds.ResolveString(text); ok {
		return []kinds.Ref{ref}
	}
	return h.o.Kinds.ByID(text)
}

func explained(e darklaunch.Explanation) Explained {
	d := e.Decision
	x := Explained{Hash: e.Hash, Bucket: int(d.Bucket), Position: d.Position.String(), Stage: d.Position.Stage(), Why: why(d),
		Epoch: d.Epoch, Settled: d.Settled, Pinned: d.Pinned, Been: d.BeenCutover, Down: d.Down.String(), Decider: decider(d)}
	for _, w := range e.Ways {
		way := Way{Op: w.Op, Calls: w.Calls}
		if w.After {
			way.After = "new"
			if d.Position == position.Cutover {
				way.After = "old"
			}
		}
		x.Operates = append(x.Operates, way)
	}
	return x
}

func why(d flags.Decision) string {
	if d.Pinned {
		return "it is pinned there"
	}
	return fmt.Sprintf("bucket %d of 10000 is in %v by revision %d", d.Bucket, d.Position, d.Epoch)
}

func decider(d flags.Decision) string {
	switch d.Position {
	case position.Sealed:
		return "both"
	case position.Cutover, position.Back:
		return "new"
	case position.ReadNew:
		if d.Down != flags.NoneDown && d.Down != flags.NewDown {
			return "new"
		}
	}
	return "old"
}

func looked(l darklaunch.Look) Held {
	x := held(l.Side)
	x.Gone, x.Error = l.Gone, l.Error
	return x
}

func held(s darklaunch.Side) Held {
	x := Held{Found: s.Found, Bytes: s.Bytes, Flags: s.Flags}
	if s.Found {
		x.Sum = strconv.FormatUint(s.Sum, 16)
	}
	if !s.Deadline.IsZero() {
		x.Deadline = &s.Deadline
	}
	return x
}
