// Package ofrep tells other programs a session's position: the flag set as
// flagd's JSON, and OpenFeature's remote evaluation protocol (OFREP 0.2).
//
//	h := ofrep.New(server.Newest, ofrep.Options{})
//	mux.Handle("/flags.json", h)
//	mux.Handle("/ofrep/", h)
//
//	POST /ofrep/v1/evaluate/flags/crossfade-stage {"context":{"targetingKey":"c6baf1b464990c4738cc1003de32daad"}}
//
// It promises the agents' own answer: the same snapshot of the same flag set
// (darklaunch/flags), pins too. It tells; it decides nothing: an agent does not
// ask it. The targeting key is the session's keyed hash; anything else is
// refused and not repeated, as it may be a session id. Who may ask is decided by
// whoever mounts it.
package ofrep

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// Options of a Handler; the zero value works.
type Options struct {
	// Busy is how many evaluations may be under way at once; more are answered
	// 429. Default 256: one takes some 20 µs, so that it is slow clients that are
	// bounded.
	Busy int
}

// Handler answers /flags.json and /ofrep/v1/. It is safe for concurrent use.
type Handler struct {
	mux    *http.ServeMux
	newest func() []byte
	busy   chan struct{}
	last   atomic.Pointer[set]
}

// set is a flag set, compiled.
type set struct {
	data []byte
	etag string
	snap *flags.Snapshot // nil: the bytes say nothing that can be evaluated
	meta map[string]any
	same bool // every session is in one position
}

// New makes a Handler. newest gives the newest flag set as flagd's JSON, which
// nobody changes afterwards; nil: none is published yet. It is asked at each
// request.
func New(newest func() []byte, o Options) *Handler {
	if o.Busy <= 0 {
		o.Busy = 256
	}
	h := &Handler{mux: http.NewServeMux(), newest: newest, busy: make(chan struct{}, o.Busy)}
	h.mux.HandleFunc("GET /flags.json", h.flags)
	h.mux.HandleFunc("POST /ofrep/v1/evaluate/flags/{key}", h.bounded(h.one))
	h.mux.HandleFunc("POST /ofrep/v1/evaluate/flags", h.bounded(h.all))
	return h
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// now is the newest flag set; nil: none is published yet.
func (h *Handler) now() *set {
	data := h.newest()
	if data == nil {
		return nil
	}
	if s := h.last.Load(); s != nil && bytes.Equal(s.data, data) {
		return s
	}
	s := &set{data: data, etag: etag(data)}
	if snap, err := flags.Parse(data); err == nil {
		d := snap.Definition()
		s.snap, s.same = snap, len(d.Pins) == 0 && d.Weights[d.Default] == flags.Buckets
		s.meta = metadata(&d)
	}
	h.last.Store(s)
	return s
}

// etag is a strong one: equal bytes have the same.
func etag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// flags answers the flag set itself, for a flagd or an agent elsewhere.
func (h *Handler) flags(w http.ResponseWriter, r *http.Request) {
	s := h.now()
	if s == nil {
		notYet(w)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-cache") // keep it, and ask each time
	head.Set("ETag", s.etag)
	http.ServeContent(w, r, "flags.json", time.Time{}, bytes.NewReader(s.data))
}

// bounded answers 429 to what is too much at once.
func (h *Handler) bounded(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case h.busy <- struct{}{}:
			defer func() { <-h.busy }()
			f(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusTooManyRequests, failure{Details: "too many evaluations at once: ask again"})
		}
	}
}
