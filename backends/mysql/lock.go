package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Lock is one statement: an insert, which takes an expired lock's row over.
// Locks lie in our own table, whatever their names.
func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	n, err := s.change(ctx, "lock", true, func(c *conn) (string, []any, error) {
		return fmt.Sprintf("INSERT INTO %[1]s (`kind`, `name`, `member`, `data`, `flags`, `expires_ms`) VALUES ('%[2]s', ?, '', ?, 0, %[3]s + %[4]d) "+
				"ON DUPLICATE KEY UPDATE `data` = IF(`expires_ms` > %[3]s, `data`, VALUES(`data`)), `expires_ms` = IF(`expires_ms` > %[3]s, `expires_ms`, VALUES(`expires_ms`))",
				c.own.name, rowLock, nowMs, ttlMillis(ttl)),
			[]any{[]byte(k.Name), []byte(value)}, nil
	})
	s.sweep()
	return err == nil && n[0] > 0, err
}

const ofLock = "`kind` = '" + rowLock + "' AND `name` = ? AND `member` = '' AND `expires_ms` > " + nowMs

// Unlock is compare and delete, in one statement.
func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	n, err := s.change(ctx, "unlock", true, func(c *conn) (string, []any, error) {
		return "DELETE FROM " + c.own.name + " WHERE " + ofLock + " AND `data` = ?", []any{[]byte(k.Name), []byte(value)}, nil
	})
	return err == nil && n[0] > 0, err
}

// LockValue gives the value of a lock.
func (s *Store) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return "", false, err
	}
	got := make(chan []string, attempts)
	err := s.read(ctx, "lock value", func(c *conn) error {
		var values []string
		err := c.query(func(v []driver.Value) error {
			values = append(values, text(v[0]))
			return nil
		}, "SELECT `data` FROM "+c.own.name+" WHERE "+ofLock, []byte(k.Name))
		if err == nil {
			got <- values
		}
		return err
	})
	if err != nil {
		return "", false, err
	}
	if values := <-got; len(values) > 0 {
		return values[0], true, nil
	}
	return "", false, nil
}
