// Package logging is a slog.Handler that never blocks: records go through a
// bounded queue to one writer, at most so many a second, and what does not fit
// is counted and dropped. In the story that Crossfade comes from, a log that
// blocked was what broke.
//
//	h := logging.New(os.Stderr, logging.Options{Dropped: metrics.LogDropped})
//	defer h.Close()
//	log := slog.New(h)
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a Handler; the zero value works.
type Options struct {
	Level slog.Leveler
	// Queue is how many records may wait: default 1,000.
	Queue int
	// PerSecond is how many are written in a second: default 100. A burst
	// tells nothing that its first hundred lines did not.
	PerSecond int
	// Dropped is told of each record that was not written.
	Dropped func()
	JSON    bool
}

// Handler writes records in its own time. It is safe for concurrent use.
type Handler struct {
	inner slog.Handler
	q     *queue
}

type queue struct {
	records chan record
	dropped func()
	missed  atomic.Int64
	perSec  int
	done    chan struct{}

	mu     sync.RWMutex // guards closed, and records against sends after close
	closed bool
}

type record struct {
	h slog.Handler
	r slog.Record
}

// New makes a handler that writes to w, and starts its writer; Close ends it.
func New(w io.Writer, o Options) *Handler {
	if o.Queue == 0 {
		o.Queue = 1000
	}
	if o.PerSecond == 0 {
		o.PerSecond = 100
	}
	if o.Dropped == nil {
		o.Dropped = func() {}
	}
	ho := &slog.HandlerOptions{Level: o.Level}
	var inner slog.Handler = slog.NewTextHandler(w, ho)
	if o.JSON {
		inner = slog.NewJSONHandler(w, ho)
	}
	q := &queue{records: make(chan record, o.Queue), dropped: o.Dropped, perSec: o.PerSecond, done: make(chan struct{})}
	go q.write()
	return &Handler{inner, q}
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

// Handle implements slog.Handler: it never waits.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	h.q.mu.RLock()
	defer h.q.mu.RUnlock()
	if h.q.closed {
		return nil
	}
	select {
	case h.q.records <- record{h.inner, r}:
	default:
		h.q.miss()
	}
	return nil
}

func (q *queue) miss() { q.missed.Add(1); q.dropped() }

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(as []slog.Attr) slog.Handler { return &Handler{h.inner.WithAttrs(as), h.q} }

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler { return &Handler{h.inner.WithGroup(name), h.q} }

// Close writes what waits, and ends the writer. Later records are dropped.
func (h *Handler) Close() {
	h.q.mu.Lock()
	if !h.q.closed {
		h.q.closed = true
		close(h.q.records)
	}
	h.q.mu.Unlock()
	<-h.q.done
}

func (q *queue) write() {
	defer close(q.done)
	var second time.Time
	n := 0
	var last slog.Handler
	for r := range q.records {
		last = r.h
		if now := r.r.Time.Truncate(time.Second); !now.Equal(second) {
			q.report(last)
			second, n = now, 0
		}
		if n++; n > q.perSec {
			q.miss()
			continue
		}
		r.h.Handle(context.Background(), r.r)
	}
	q.report(last)
}

// report says how many records are missing.
func (q *queue) report(h slog.Handler) {
	if n := q.missed.Swap(0); n > 0 && h != nil {
		r := slog.NewRecord(time.Now(), slog.LevelWarn, fmt.Sprintf("%d log records were dropped: too many at once", n), 0)
		h.Handle(context.Background(), r)
	}
}
