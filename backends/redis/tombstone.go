package redis

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Bury deletes a session and leaves a tombstone, in one step.
func (s *Store) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	if err := s.enterSession(ctx, k); err != nil {
		return false, err
	}
	n, err := s.script(ctx, "bury", scriptBury, s.kin(k), 1, func(_ *node, c *call) { c.num(ttlMillis(ttl)) })
	return n > 0, err
}

// Revive writes a session and clears the tombstone, in one step.
func (s *Store) Revive(ctx context.Context, sess backends.Session) error {
	if err := s.enterData(ctx, sess); err != nil {
		return err
	}
	_, err := s.write(ctx, "revive", scriptRevive, s.kin(sess.Key), sess)
	return err
}
