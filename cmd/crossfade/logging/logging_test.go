package logging

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestNeverBlocks: a writer that hangs costs the caller nothing.
func TestNeverBlocks(t *testing.T) {
	r, w := io.Pipe() // nobody reads
	var dropped atomic.Int64
	h := New(w, Options{Queue: 10, Dropped: func() { dropped.Add(1) }})
	log := slog.New(h)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			log.Info("hello")
		}
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("logging blocked")
	}
	if n := dropped.Load(); n < 980 {
		t.Errorf("dropped %d of 1,000, want all but the queue's 10", n)
	}
	r.Close()
	h.Close()
}

func TestWritesAndSaysWhatIsMissing(t *testing.T) {
	var b bytes.Buffer
	h := New(&b, Options{PerSecond: 5, Queue: 1000})
	log := slog.New(h).With("component", "test")
	for range 50 {
		log.Info("hello")
	}
	h.Close()
	out := b.String()
	if n := strings.Count(out, "msg=hello"); n < 5 || n > 30 { // a busy machine takes some seconds for them
		t.Errorf("wrote %d, want 5 a second", n)
	}
	if !strings.Contains(out, "dropped") || !strings.Contains(out, "component=test") {
		t.Errorf("does not say what is missing: %s", out)
	}
}
