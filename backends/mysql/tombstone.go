package mysql

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Bury leaves a tombstone and deletes a session, in one transaction. The
// tombstone comes first: a guarded write, which looks at it last, then either
// sees it or is deleted.
func (s *Store) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	if err := s.enterChange(ctx, k); err != nil {
		return false, err
	}
	n, err := s.change(ctx, "bury", false, func(c *conn) (string, []any, error) {
		t := c.tableOf(k)
		key, err := t.key(k)
		return c.putGone(ttl) + "; " + t.removeLive(), []any{[]byte(s.gone(k)), key}, err
	})
	s.sweep()
	return err == nil && n[1] > 0, err
}

// putGone makes a tombstone, or renews one: it always differs from what was
// there, and never ends earlier.
func (c *conn) putGone(ttl time.Duration) string {
	return fmt.Sprintf("INSERT INTO %s (`kind`, `name`, `member`, `data`, `flags`, `expires_ms`) VALUES ('%s', ?, '', '', 0, %s + %d) "+
		"ON DUPLICATE KEY UPDATE `expires_ms` = GREATEST(VALUES(`expires_ms`), `expires_ms` + 1)", c.own.name, rowGone, nowMs, ttlMillis(ttl))
}

// dropGone clears a tombstone.
func (c *conn) dropGone() string { return "DELETE FROM " + c.own.name + " WHERE " + ofGone(1) }

// Revive writes a session and clears the tombstone, in one transaction.
func (s *Store) Revive(ctx context.Context, sess backends.Session) error {
	if err := s.enterData(ctx, sess); err != nil {
		return err
	}
	_, err := s.change(ctx, "revive", false, func(c *conn) (string, []any, error) {
		t := c.tableOf(sess.Key)
		gone := []byte(s.gone(sess.Key))
		if past(sess.Deadline) {
			key, err := t.key(sess.Key)
			return c.dropGone() + "; " + t.removeLive(), []any{gone, key}, err
		}
		stmt, args, err := t.upsert([]backends.Session{sess})
		return c.dropGone() + "; " + stmt, append([]any{gone}, args...), err
	})
	return err
}
