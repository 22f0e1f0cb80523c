package redis

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Lock is SET NX PX. ttl must be positive.
func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	c, err := s.send(ctx, "lock", k.Name, true, func(_ *node, c *call) {
		c.cmd(6, "set").str(k.Name).str(value).str("px").num(ttlMillis(ttl)).str("nx")
	})
	if err != nil {
		return false, err
	}
	defer c.Free()
	return c.answer(0).kind == '+', nil // else it is nil
}

// Unlock is compare and delete, in one step.
func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	n, err := s.script(ctx, "unlock", scriptUnlock, []string{k.Name}, 1, func(_ *node, c *call) { c.str(value) })
	return n > 0, err
}

// LockValue gives the value of a lock.
func (s *Store) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return "", false, err
	}
	data, found, err := s.get(ctx, k.Name)
	return string(data), found, err
}
