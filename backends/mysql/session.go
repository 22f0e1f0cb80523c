package mysql

import (
	"context"
	"database/sql/driver"
	"math/rand/v2"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// pause is how long a call waits before it is begun again: some 1 to 40 ms.
func pause(attempt int) time.Duration {
	return time.Duration(rand.Int64N(int64(min(attempt, 8)) * int64(5*time.Millisecond)))
}

// read runs what changes nothing, for Options.ReadTimeout where the context has
// no deadline.
func (s *Store) read(ctx context.Context, op string, f func(*conn) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.opts.ReadTimeout)
		defer cancel()
	}
	return s.run(ctx, forReads, op, true, f)
}

// Get tells the deadline too: it is in the same row.
func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return backends.Session{}, false, err
	}
	type answer struct {
		s     backends.Session
		found bool
	}
	got := make(chan answer, attempts)
	err := s.read(ctx, "get", func(c *conn) error {
		t := c.tableOf(k)
		key, err := t.key(k)
		if err != nil {
			return err
		}
		a := answer{s: backends.Session{Key: k}}
		err = c.query(func(v []driver.Value) error {
			a.found = true
			a.s.Data = append([]byte{}, v[0].([]byte)...)
			flags, _ := integer(v[1])
			a.s.Flags = uint32(flags)
			c.deadline(&a.s, v[2])
			return nil
		}, "SELECT "+t.data+", "+t.flagsOrZero()+", "+t.expiry.ends()+" FROM "+t.name+" WHERE "+t.where(1)+" AND "+t.expiry.live(), key)
		if err == nil {
			got <- a
		}
		return err
	})
	if err != nil {
		return backends.Session{}, false, err
	}
	a := <-got
	return a.s, a.found, nil
}

// change runs one statement, or several as one transaction, made by text, and
// gives how many rows each changed.
func (s *Store) change(ctx context.Context, op string, atOnce bool, text func(*conn) (string, []any, error)) ([]int64, error) {
	got := make(chan []int64, attempts)
	err := s.run(ctx, forChanges, op, false, func(c *conn) error {
		stmt, args, err := text(c)
		if err != nil {
			return err
		}
		run := c.exec
		if !atOnce {
			run = c.transact
		}
		n, err := run(stmt, args...)
		if err == nil {
			got <- n
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-got, nil
}

// Set writes a session in one round trip.
func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	if err := s.enterData(ctx, sess); err != nil {
		return err
	}
	if past(sess.Deadline) {
		_, err := s.remove(ctx, "set", sess.Key)
		return err
	}
	_, err := s.change(ctx, "set", true, func(c *conn) (string, []any, error) {
		return c.tableOf(sess.Key).upsert([]backends.Session{sess})
	})
	return err
}

// Delete removes a session in one round trip. A row past its deadline is
// missing, and stays for whoever cleans the table.
func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	if err := s.enterChange(ctx, k); err != nil {
		return false, err
	}
	return s.remove(ctx, "delete", k)
}

func (s *Store) remove(ctx context.Context, op string, k backends.Key) (bool, error) {
	n, err := s.change(ctx, op, true, func(c *conn) (string, []any, error) {
		t := c.tableOf(k)
		key, err := t.key(k)
		return t.removeLive(), []any{key}, err
	})
	return err == nil && n[0] > 0, err
}

func (t table) removeLive() string {
	return "DELETE FROM " + t.name + " WHERE " + t.where(1) + " AND " + t.expiry.live()
}

// Touch moves a deadline in one round trip.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	if err := s.enterChange(ctx, k); err != nil {
		return false, err
	}
	if past(deadline) {
		return s.remove(ctx, "touch", k)
	}
	n, err := s.change(ctx, "touch", true, func(c *conn) (string, []any, error) {
		t := c.tableOf(k)
		key, err := t.key(k)
		return "UPDATE " + t.name + " SET " + t.expiry.stamp(t.value(deadline), nowSeconds) +
			" WHERE " + t.where(1) + " AND " + t.expiry.live(), []any{key}, err
	})
	return err == nil && n[0] > 0, err
}
