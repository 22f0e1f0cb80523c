package darklaunch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// era is the time during which one revision is the newest that this agent has
// taken. Whatever begins in it (operations, queued writes, copies) holds it
// until it has ended, so that an acknowledgement can wait for what is older.
type era struct {
	snap    *flags.Snapshot
	running atomic.Int64
}

// eras is the current era and those before it that have not ended.
type eras struct {
	now atomic.Pointer[era]

	mu  sync.Mutex // guards old
	old []*era
}

// hold takes the current era; release gives it back.
func (e *eras) hold() *era {
	for {
		c := e.now.Load()
		c.running.Add(1)
		if e.now.Load() == c {
			return c
		}
		// A revision came in between: this operation belongs to it.
		c.running.Add(-1)
	}
}

func (c *era) release() { c.running.Add(-1) }

// keep holds an era on behalf of something that outlives the operation.
func (c *era) keep() *era { c.running.Add(1); return c }

// take makes a revision the current one.
func (e *eras) take(s *flags.Snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := e.now.Swap(&era{snap: s})
	if last != nil {
		e.old = append(e.old, last)
	}
}

// renew begins a new era of the same revision.
func (e *eras) renew() {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := e.now.Load()
	e.now.Store(&era{snap: last.snap})
	e.old = append(e.old, last)
}

// older counts what is still running of earlier eras.
func (e *eras) older() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, keep := int64(0), e.old[:0]
	for _, o := range e.old {
		if r := o.running.Load(); r > 0 {
			n += r
			keep = append(keep, o)
		}
	}
	clear(e.old[len(keep):])
	e.old = keep
	return n
}

// Barrier waits until everything that is running now has ended, copies and
// queued writes too. What begins meanwhile is not waited for.
func (l *Layer) Barrier(ctx context.Context) error {
	l.eras.renew()
	return poll(ctx, func() bool { return l.eras.older() == 0 })
}

// poll looks again and again until ok, or ctx ends.
func poll(ctx context.Context, ok func() bool) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
	}
	return nil
}
