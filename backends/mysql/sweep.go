package mysql

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	sweepEvery = 30 * time.Second
	sweepRows  = 500 // one small transaction, also for a cluster
)

// sweep deletes, now and then and in the background, some of our own rows that
// have ended more than a minute ago. Nothing relies on it: readers look at the
// deadline.
func (s *Store) sweep() {
	now := time.Now().UnixNano()
	last := s.lastSwep.Load()
	if now-last < int64(sweepEvery) || !s.lastSwep.CompareAndSwap(last, now) || last == 0 {
		return
	}
	s.background(func() { s.sweepNow() })
}

// sweepNow deletes some, and tells how many.
func (s *Store) sweepNow() int64 {
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Second)
	defer cancel()
	n, err := s.change(ctx, "sweep", true, func(c *conn) (string, []any, error) {
		return fmt.Sprintf("DELETE FROM %s WHERE `expires_ms` < %s - 60000 LIMIT %d", c.own.name, nowMs, sweepRows), nil, nil
	})
	if err == nil {
		return n[0]
	}
	if u, ok := backends.IsUnknown(err); ok {
		u.Resolve() // nobody waits for it
	}
	return 0
}
