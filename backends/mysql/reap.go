package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Ended lists ids of the sessions table whose deadline has passed, in the order
// of ids after the one given, from at most n rows that it looks at. last is
// where to go on; empty: that was the end.
func (s *Store) Ended(ctx context.Context, after string, n int) (names []string, last string, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, scanTime)
	defer cancel()
	got := make(chan page, attempts)
	err = s.run(ctx, forReads, "ended", true, func(c *conn) error {
		t, p, rows := c.app, page{}, 0
		t.maxID = 0
		start, err := t.key(backends.Key{Name: after})
		if err != nil {
			return err
		}
		err = c.query(func(v []driver.Value) error {
			rows++
			p.last = text(v[0])
			if live, _ := integer(v[1]); live == 0 {
				p.names = append(p.names, p.last)
			}
			return nil
		}, fmt.Sprintf("SELECT %[1]s, %[2]s FROM %[3]s WHERE %[4]s%[1]s > ? ORDER BY %[1]s LIMIT %[5]d",
			t.id, t.expiry.live(), t.name, t.conditions(), n), start)
		if rows < n {
			p.last = ""
		}
		if err == nil {
			got <- p
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	p := <-got
	return p.names, p.last, nil
}

// DropEnded deletes a row whose deadline has passed; one that lives again, or
// is not there, is left alone, and dropped is false.
func (s *Store) DropEnded(ctx context.Context, k backends.Key) (dropped bool, err error) {
	if err := s.enterChange(ctx, k); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	n, err := s.change(ctx, "drop ended", true, func(c *conn) (string, []any, error) {
		id, err := c.app.key(k)
		if err != nil {
			return "", nil, err
		}
		return fmt.Sprintf("DELETE FROM %s WHERE %s AND NOT (%s)", c.app.name, c.app.where(1), c.app.expiry.live()), []any{id}, nil
	})
	return err == nil && n[0] > 0, err
}
