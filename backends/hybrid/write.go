package hybrid

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Set writes memcached, and the table if that is due.
func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	return s.write(ctx, sess, s.cache.Set, s.rows.Set)
}

// Revive is Set, and clears the tombstone.
func (s *Store) Revive(ctx context.Context, sess backends.Session) error {
	return s.write(ctx, sess, s.cache.Revive, s.rows.Revive)
}

type setter func(context.Context, backends.Session) error

func (s *Store) write(ctx context.Context, sess backends.Session, cache, rows setter) error {
	if sess.Expired(time.Now()) { // a delete
		in := func(write setter) remover {
			return func(ctx context.Context, _ backends.Key) (bool, error) { return false, write(ctx, sess) }
		}
		_, err := s.remove(ctx, sess.Key, in(cache), in(rows))
		return err
	}
	err := twice(ctx, func(fast context.Context) error { return cache(fast, sess) })
	switch {
	case s.o.ReadOnly || unknown(err) || answered(err) || silent(err):
		return err
	case err != nil:
		return rows(ctx, sess) // memcached is not there: nothing was written to it
	}
	due, err := s.due(ctx, sess.Key, sess.Deadline)
	if err != nil || !due {
		s.stats.put.Add(1)
		return err
	}
	return s.sync(ctx, sess.Key, sess.Deadline, func() error {
		return rows(ctx, sess)
	})
}

// Touch moves the deadline in memcached, and in the table if that is due. What
// memcached has lost is touched in the table.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	if !deadline.IsZero() && !deadline.After(time.Now()) { // a delete
		in := func(t Tier) remover {
			return func(ctx context.Context, k backends.Key) (bool, error) { return t.Touch(ctx, k, deadline) }
		}
		return s.remove(ctx, k, in(s.cache), in(s.rows))
	}
	var found bool
	err := twice(ctx, func(fast context.Context) (err error) { found, err = s.cache.Touch(fast, k, deadline); return err })
	switch {
	case s.o.ReadOnly || unknown(err) || answered(err) || silent(err):
		return found, err
	case err == nil && !found:
		// What is noted of the row's end is no longer so.
		if err := s.forget(ctx, k); err != nil {
			return false, err
		}
		fallthrough
	case err != nil:
		found, rowErr := s.rows.Touch(ctx, k, deadline)
		if rowErr == nil && !found {
			return false, err // memcached may have it
		}
		return found, rowErr
	}
	due, err := s.due(ctx, k, deadline)
	if err != nil || !due {
		return true, err
	}
	err = s.sync(ctx, k, deadline, func() error {
		// Guarded, since a delete goes to memcached first: what it has taken from
		// there must not come back as a row.
		g, err := s.rows.Guard(ctx, k, time.Now().Add(guardFor))
		if err != nil {
			return err
		}
		defer g.Release()
		sess, found, err := s.cache.Get(ctx, k)
		if err == nil && !found {
			err = errLost
		}
		if err != nil {
			return err
		}
		sess.Deadline, sess.DeadlineUnknown = deadline, false
		if g.Record().Gone {
			return g.Revive(ctx, sess)
		}
		return g.Swap(ctx, sess)
	})
	switch {
	case errors.Is(err, errLost):
		return s.rows.Touch(ctx, k, deadline)
	case errors.Is(err, backends.ErrRevoked):
		return false, err
	}
	return true, err
}

// errLost: memcached has lost the session, or somebody has deleted it, between
// two steps.
var errLost = errors.New("backends/hybrid: memcached has the session no more")

// Delete removes the session from memcached, then from the table: see Touch.
// Before that go the markers: a session made anew under the same id must be
// written to the table, and not be taken for one whose row was deleted.
func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	return s.remove(ctx, k, s.cache.Delete, s.rows.Delete)
}

// Bury is Delete, and leaves a tombstone in both: a guard of the table would not
// see that a row which is not there was deleted.
func (s *Store) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	in := func(t Tier) remover {
		return func(ctx context.Context, k backends.Key) (bool, error) { return t.Bury(ctx, k, ttl) }
	}
	return s.remove(ctx, k, in(s.cache), in(s.rows))
}

type remover func(context.Context, backends.Key) (bool, error)

func (s *Store) remove(ctx context.Context, k backends.Key, cache, rows remover) (bool, error) {
	if s.o.ReadOnly {
		return cache(ctx, k)
	}
	fast, cancel := half(ctx)
	defer cancel()
	if err := s.forget(fast, k); err != nil {
		return false, err
	}
	found, err := cache(fast, k)
	if err != nil {
		return false, err
	}
	row, err := rows(ctx, k)
	return found || row, err
}
