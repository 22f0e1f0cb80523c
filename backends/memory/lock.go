package memory

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Lock writes value where there is none. A lock is a session like any other
// here, as it is in Redis and memcached. ttl must be positive.
func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	return faulty(s, ctx, OpLock, k.Name, func() (bool, error) {
		sh, e, now, err := s.room(k.Name, len(value))
		if err != nil {
			return false, err
		}
		defer func() { s.done(sh, e, now) }()
		if e.live(now) {
			return false, nil
		}
		sh.put(e, []byte(value), 0, s.until(ttl))
		return true, nil
	})
}

// Unlock removes the lock if it holds value.
func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	return faulty(s, ctx, OpUnlock, k.Name, func() (bool, error) {
		sh, e, now := s.look(k.Name)
		defer sh.mu.Unlock()
		if !e.live(now) || string(e.data) != value {
			return false, nil
		}
		sh.drop(e)
		s.count(sh, e, now)
		return true, nil
	})
}

// LockValue gives the value of a lock.
func (s *Store) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	r, err := s.read(ctx, OpLockValue, k)
	return string(r.Data), r.Found, err
}
