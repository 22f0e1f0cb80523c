package hybrid

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// guard holds a token of each tier. memcached's is taken first and used first:
// a client's write goes there first too, so that whichever of the two is later
// in memcached is later in the table.
type guard struct {
	s           *Store
	cache, rows backends.Guard
	rec         backends.Record
}

// Guard guards both tiers.
func (s *Store) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	c, err := s.cache.Guard(ctx, k, notAfter)
	if err != nil || s.o.ReadOnly {
		return c, err
	}
	r, err := s.rows.Guard(ctx, k, notAfter)
	if err != nil {
		c.Release()
		return nil, err
	}
	g := &guard{s: s, cache: c, rows: r, rec: c.Record()}
	if row := r.Record(); !g.rec.Found && row.Found {
		g.rec.Session, g.rec.Found, g.rec.Gone = row.Session, true, false
		g.rec.Lagging = true
	}
	return g, nil
}

func (g *guard) Record() backends.Record { return g.rec }

func (g *guard) Swap(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, sess, g.cache.Swap, false)
}

func (g *guard) Revive(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, sess, g.cache.Revive, false)
}

// Over clears the tombstones of both tiers.
func (g *guard) Over(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, sess, g.cache.Over, true)
}

func (g *guard) swap(ctx context.Context, sess backends.Session, cache setter, over bool) error {
	if err := cache(ctx, sess); err != nil {
		return err
	}
	// What the marker says of the row's end is no longer so: the next write goes
	// there.
	if err := g.s.forget(ctx, sess.Key); err != nil {
		return err
	}
	known, err := g.s.noting(ctx, sess.Key)
	if err != nil {
		return err
	}
	defer known.Release()
	// A tombstone in the table stands beside memcached's, which has decided.
	rows := g.rows.Swap
	switch {
	case over:
		rows = g.rows.Over
	case g.rows.Record().Gone:
		rows = g.rows.Revive
	}
	if err := rows(ctx, sess); err != nil {
		return err
	}
	err = known.Swap(ctx, marker(known.Record().Key, sess.Deadline, sess.Deadline))
	if errors.Is(err, backends.ErrConflict) { // deleted, or written, since
		return nil
	}
	return err
}

func (g *guard) Bury(ctx context.Context, ttl time.Duration) error {
	if err := g.s.forget(ctx, g.rec.Key); err != nil {
		return err
	}
	if err := g.cache.Bury(ctx, ttl); err != nil {
		return err
	}
	return g.rows.Bury(ctx, ttl)
}

func (g *guard) Release() {
	g.cache.Release()
	g.rows.Release()
}

// Marks, locks: memcached's, as the applications' own locks are.

func (s *Store) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	return s.cache.Marks(ctx, k)
}

func (s *Store) PutMark(ctx context.Context, k backends.Key, m backends.Mark, ttl time.Duration) error {
	return s.cache.PutMark(ctx, k, m, ttl)
}

func (s *Store) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	return s.cache.DropMarks(ctx, k, ms)
}

func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (bool, error) {
	return s.cache.Lock(ctx, k, value, ttl)
}

func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (bool, error) {
	return s.cache.Unlock(ctx, k, value)
}

func (s *Store) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	return s.cache.LockValue(ctx, k)
}
