package hybrid

import (
	"context"
	"fmt"

	"github.com/seed-41165957/crossfade/backends"
)

// Get asks memcached, and the table where that has nothing or does not answer.
func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	if s.o.ReadOnly {
		return s.cache.Get(ctx, k)
	}
	var sess backends.Session
	var found bool
	err := twice(ctx, func(fast context.Context) (err error) { sess, found, err = s.cache.Get(fast, k); return err })
	if err == nil && found {
		s.stats.fromCache.Add(1)
		return sess, true, nil
	}
	if answered(err) || silent(err) {
		return sess, false, err
	}
	if err := ctx.Err(); err != nil { // the table has not said anything yet
		return backends.Session{}, false, err
	}
	sess, found, rowErr := s.rows.Get(ctx, k)
	if rowErr != nil {
		return backends.Session{}, false, rowErr
	}
	if !found && err == nil {
		err = s.missed(ctx, k)
	}
	if !found {
		return backends.Session{}, false, err // memcached may have had it
	}
	s.stats.fromRows.Add(1)
	sess.Lagging = true
	return sess, true, nil
}

// Read is Get with the whole record. Whether a tombstone stands is memcached's
// to say.
func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	recs, err := s.ReadMany(ctx, []backends.Key{k})
	if err != nil {
		return backends.Record{}, err
	}
	return recs[0], nil
}

// ReadMany asks memcached for all, and the table for what that has not.
func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	var recs []backends.Record
	err := twice(ctx, func(fast context.Context) (err error) { recs, err = s.cache.ReadMany(fast, ks); return err })
	if answered(err) || silent(err) {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // the table has not said anything yet
		return nil, err
	}
	if err != nil {
		recs = make([]backends.Record, len(ks))
	}
	var missing []backends.Key
	var at []int
	for i := range recs {
		if !recs[i].Found {
			missing, at = append(missing, ks[i]), append(at, i)
		}
	}
	s.stats.fromCache.Add(uint64(len(ks) - len(missing)))
	if len(missing) == 0 {
		return recs, nil
	}
	rows, rowErr := s.rows.ReadMany(ctx, missing)
	if rowErr != nil {
		return nil, rowErr
	}
	for j, i := range at {
		if !rows[j].Found {
			if err != nil {
				return nil, fmt.Errorf("backends/hybrid: memcached: %w", err) // it may have had it
			}
			if err := s.missed(ctx, ks[i]); err != nil {
				return nil, err
			}
			continue
		}
		s.stats.fromRows.Add(1)
		recs[i] = rows[j]
		recs[i].Lagging, recs[i].Gone = true, false
	}
	return recs, nil
}

// Scan lists the table, then memcached, which may hold what was not yet
// written there.
func (s *Store) Scan(ctx context.Context, prefix string, fn func([]string) error) error {
	if err := s.rows.Scan(ctx, prefix, fn); err != nil {
		return err
	}
	return s.cache.Scan(ctx, prefix, fn)
}

// Connections implements backends.Pooled, as far as both tiers do.
func (s *Store) Connections() (open, parked int) {
	for _, t := range []Tier{s.cache, s.table()} {
		if p, ok := t.(backends.Pooled); ok {
			o, h := p.Connections()
			open, parked = open+o, parked+h
		}
	}
	return open, parked
}

// Health is memcached's, where what Crossfade keeps is, with the table's
// connections and version. Evicts is always set: a row's deadline may be behind.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	fast, cancel := half(ctx)
	defer cancel()
	h, err := s.cache.Health(fast)
	if err != nil {
		return h, err
	}
	r, err := s.rows.Health(ctx)
	if err != nil {
		return backends.Health{}, err
	}
	h.Product, h.Version = h.Product+" over "+r.Product, h.Version+" over "+r.Version
	h.Evicts = true
	h.Connections += r.Connections
	h.Parked += r.Parked
	return h, nil
}
