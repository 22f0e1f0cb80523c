package redis

import (
	"context"
	"sync"
	"time"
)

// refresher lets one look-up run at a time, for all who wait for it. It is
// asked for by calls, so a store that nobody uses asks nobody.
type refresher struct {
	store *Store
	look  func(context.Context) error

	mu   sync.Mutex
	last time.Time // guarded by mu: when the last one ended
	now  *flight   // guarded by mu
}

type flight struct {
	done chan struct{}
	err  error // read after done
}

// begin starts a look-up, or joins the one that runs. nil: the last is younger
// than fresh, or the store is closed.
func (r *refresher) begin(fresh time.Duration) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now != nil {
		return r.now
	}
	if r.store.closed.Load() || time.Since(r.last) < fresh {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	r.now = f
	r.store.background.Go(func() {
		f.err = r.look(r.store.life)
		r.mu.Lock()
		r.now, r.last = nil, time.Now()
		r.mu.Unlock()
		close(f.done)
	})
	return f
}

// close waits for what begin has started. The store is closed already.
func (r *refresher) close() {
	r.mu.Lock() // who has found the store open has added to background by now
	r.mu.Unlock()
	r.store.background.Wait()
}

// wait waits for a look-up that begin gave.
func (f *flight) wait(ctx context.Context) error {
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
