package memory

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Bury deletes a session and leaves a tombstone.
func (s *Store) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	return faulty(s, ctx, OpBury, k.Name, func() (bool, error) {
		sh, e, now, err := s.room(k.Name, 0)
		if err != nil {
			return false, err
		}
		defer sh.mu.Unlock()
		return s.buryLocked(sh, e, k.Name, now, s.until(ttl)), nil
	})
}

func (s *Store) buryLocked(sh *shard, e *entry, name string, now, until int64) (found bool) {
	if e == nil {
		e = &entry{name: name}
		sh.entries[name] = e
		s.entries.Add(1)
	}
	found = e.live(now)
	sh.drop(e)
	e.gone = until
	s.count(sh, e, now)
	return found
}
