package agentapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/darklaunch/evidence"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/migrate/access"
)

const (
	// barrierMost bounds POST /v1/barrier: a write of an agent takes both
	// stores' timeouts, a copy its own; what lasts longer hangs.
	barrierMost = time.Minute
	// bodyMost bounds a question: an id is 250 bytes at most.
	bodyMost = 4 << 10
)

// Options of a handler. Name, Flags and Kinds are needed.
type Options struct {
	Name    string // of the agent
	Version string
	Flags   flags.Source
	Kinds   *kinds.Set
	// Digest of the configuration for a bucketing: config.Config.Digest. nil: "".
	Digest func(bucketing string) string
	// Token, where set, is asked for as a bearer token below /v1.
	Token string
	// Take takes a revision that the server pushes. nil: the agent has its
	// revisions from elsewhere.
	Take func(revision []byte) error
	// Unsupported counts the commands that were refused, by class. nil: none.
	Unsupported func() map[string]uint64
	// Notes is what the agent sees of the notes in the stores. nil: it does not look.
	Notes func() epochs.Watched
	// Evidence is what the agent has seen. nil: it keeps none.
	Evidence func() *evidence.Evidence
	// SyntheticOff is why no synthetic sessions are made here; empty: they are.
	SyntheticOff string
	// Stopping tells that the agent is on its way out. nil: never.
	Stopping func() bool
}

// Handler answers for one agent.
type Handler struct {
	o     Options
	l     *darklaunch.Layer
	began time.Time
	asked atomic.Int64 // unix nanoseconds
	mux   http.Handler
}

// New makes the handler of an agent. It starts nothing.
func New(l *darklaunch.Layer, o Options) *Handler {
	h := &Handler{o: o, l: l, began: time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", h.ready)
	mux.HandleFunc("GET /v1/status", h.status)
	mux.HandleFunc("GET /v1/divergences", h.divergences)
	mux.HandleFunc("GET /v1/logouts", h.logouts)
	mux.HandleFunc("GET /v1/evidence", h.evidence)
	mux.HandleFunc("GET /v1/marks", h.marks)
	mux.HandleFunc("POST /v1/observe", h.observe)
	mux.HandleFunc("GET /v1/observed", h.observed)
	mux.HandleFunc("GET /v1/seen-deletes", h.seenDeletes)
	mux.HandleFunc("POST /v1/seen-changes", h.seenChanges)
	mux.HandleFunc("POST /v1/barrier", h.barrier)
	mux.HandleFunc("POST /v1/verified", h.verified)
	mux.HandleFunc("POST /v1/restored", func(w http.ResponseWriter, _ *http.Request) { l.Restored(); answer(w, struct{}{}) })
	mux.HandleFunc("POST /v1/copy-back-dirty", h.copyBack)
	mux.HandleFunc("POST /v1/explain", h.explain)
	mux.HandleFunc("GET /v1/peers", h.peers)
	mux.HandleFunc("GET /v1/dirty", h.dirty)
	mux.HandleFunc("POST /v1/told", h.told)
	mux.HandleFunc("POST /v1/synthetic", h.synthetic)
	if o.Take != nil {
		mux.HandleFunc("POST /v1/flags", h.take)
	}
	h.guard(mux)
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// guard lets in who may ask. A page in a browser on this host may not.
func (h *Handler) guard(mux http.Handler) {
	h.mux = access.Guard(http.NewCrossOriginProtection().Handler(mux),
		access.Options{Token: h.o.Token, Setting: "listen.admin_token_file", Hosts: []string{unixHost}})
}

// State is what /readyz says.
func (h *Handler) State() State {
	switch {
	case h.o.Stopping != nil && h.o.Stopping():
		return Stopping
	case h.l != nil && h.l.Stopped() != "": // nil: a passthrough
		return Stopped
	case h.o.Flags.Current() == nil, h.l != nil && !h.l.Serves(): // known, and not taken yet
		return Starting
	}
	return Ready
}

func (h *Handler) ready(w http.ResponseWriter, _ *http.Request) {
	s := h.State()
	if s != Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	text := string(s)
	if s == Stopped {
		text += ": " + h.l.Stopped()
	}
	w.Write([]byte(text + "\n"))
}

func (h *Handler) status(w http.ResponseWriter, _ *http.Request) {
	h.asked.Store(time.Now().UnixNano())
	answer(w, h.Status())
}

// Asked is when the status was asked for last; zero: never.
func (h *Handler) Asked() time.Time {
	if ns := h.asked.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Status is the answer to GET /v1/status.
func (h *Handler) Status() Status {
	s := Status{Agent: h.o.Name, Version: h.o.Version, Started: h.began, Uptime: time.Since(h.began).Seconds(), Now: time.Now(),
		State: h.State(), Status: h.l.Status()}
	if h.o.Notes != nil {
		n := h.o.Notes()
		s.Notes = &n
	}
	if cur := h.o.Flags.Current(); cur != nil {
		s.Migration = cur.Migration()
		if h.o.Digest != nil {
			s.Digest = h.o.Digest(cur.Bucketing())
		}
	}
	return s
}

func (h *Handler) barrier(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), barrierMost)
	defer cancel()
	if err := h.l.Barrier(ctx); err != nil {
		fail(w, http.StatusGatewayTimeout, "operations or copies are still running: ask again")
		return
	}
	answer(w, struct{}{})
}

// revisionMost bounds a revision: pins are what it can be large by.
const revisionMost = 4 << 20

func (h *Handler) take(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, revisionMost))
	if err != nil {
		fail(w, http.StatusBadRequest, "the revision cannot be read")
		return
	}
	if err := h.o.Take(data); err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	answer(w, struct{}{})
}

func (h *Handler) marks(w http.ResponseWriter, r *http.Request) {
	n, err := h.l.CountMarks(r.Context())
	if err != nil {
		fail(w, http.StatusBadGateway, "old does not say which sessions are marked: ask again")
		return
	}
	answer(w, Marks{n})
}

func (h *Handler) verified(w http.ResponseWriter, r *http.Request) {
	var p Passed
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		fail(w, http.StatusBadRequest, "the question cannot be read")
		return
	}
	p.Counts = h.l.Verified(p.Dirtied)
	answer(w, p)
}

func (h *Handler) copyBack(w http.ResponseWriter, r *http.Request) {
	done, left := h.l.CopyBackDirty(r.Context())
	answer(w, Repaired{Done: done, Left: left})
}

func (h *Handler) divergences(w http.ResponseWriter, _ *http.Request) {
	out := []Divergence{}
	for _, d := range h.l.Divergences() {
		out = append(out, Divergence{Seen: d.Seen, Hash: d.Hash, Class: d.Class, Cause: d.Cause, Position: d.Position,
			Old: held(d.Old), New: held(d.New)})
	}
	answer(w, out)
}

func (h *Handler) logouts(w http.ResponseWriter, _ *http.Request) {
	s := h.l.WouldBeLogouts()
	out := Logouts{Rate: s.Rate, Sessions: make([]Followed, len(s.Sessions))}
	for i, x := range s.Sessions {
		out.Sessions[i] = Followed{x.Hash.String(), x.Verdict.String(), x.Seen.UnixMilli()}
	}
	answer(w, out)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(failure{text})
}
