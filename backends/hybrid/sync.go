package hybrid

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// retryAfter is how long a session whose row could not be written is left
// alone, where there is an older row.
const retryAfter = 5 * time.Second

// due tells whether a write with that deadline has to go to the table: nobody
// has written the session there for SyncEvery, of several agents the first; or
// the row would outlive what memcached holds, and come back after it.
func (s *Store) due(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	m, found, err := s.cache.Get(ctx, backends.SyncKey(s.o.Migration, k))
	switch {
	case err != nil:
		return false, err
	case !found:
		return s.cache.Add(ctx, s.marker(k, deadline, s.o.SyncEvery))
	case len(m.Data) != 8 || uint64(ends(deadline)) < binary.BigEndian.Uint64(m.Data):
		return true, s.cache.Set(ctx, s.marker(k, deadline, s.o.SyncEvery))
	}
	return false, nil
}

// ends is a deadline as it stands in the marker: unix milliseconds.
func ends(deadline time.Time) int64 {
	if deadline.IsZero() {
		return math.MaxInt64
	}
	return deadline.UnixMilli()
}

// marker says until when the row lives.
func (s *Store) marker(k backends.Key, deadline time.Time, life time.Duration) backends.Session {
	return backends.Session{Key: backends.SyncKey(s.o.Migration, k), Data: binary.BigEndian.AppendUint64(nil, uint64(ends(deadline))),
		Deadline: time.Now().Add(life)}
}

// sync writes the row.
func (s *Store) sync(ctx context.Context, k backends.Key, deadline time.Time, write func() error) error {
	rowKey := backends.RowKey(s.o.Migration, k)
	_, stood, err := s.cache.Get(ctx, rowKey)
	if err == nil && stood && s.o.SQLLogouts {
		var there bool
		if _, there, err = s.rows.Get(ctx, k); err == nil && !there {
			return s.revoke(ctx, k)
		}
	}
	if err == nil {
		err = write()
	}
	if err == nil {
		s.stats.synced.Add(1)
		return s.cache.Set(ctx, backends.Session{Key: rowKey, Deadline: deadline})
	}
	// The session is in memcached, where reads find it. Where no row stands it
	// would not outlive that: then the client is told.
	if stood && !unknown(err) {
		s.stats.unsynced.Add(1)
		return s.cache.Set(ctx, s.marker(k, deadline, retryAfter))
	}
	s.cache.Delete(ctx, backends.SyncKey(s.o.Migration, k)) // so that the next write tries; else it runs out
	return err
}

// revoke takes a session out of memcached whose row was deleted.
func (s *Store) revoke(ctx context.Context, k backends.Key) error {
	if err := s.forget(ctx, k); err != nil {
		return err
	}
	if _, err := s.cache.Delete(ctx, k); err != nil {
		return err
	}
	s.stats.revoked.Add(1)
	return backends.ErrRevoked
}

// forget removes the markers, the one that can do harm first.
func (s *Store) forget(ctx context.Context, k backends.Key) error {
	if _, err := s.cache.Delete(ctx, backends.RowKey(s.o.Migration, k)); err != nil {
		return err
	}
	_, err := s.cache.Delete(ctx, backends.SyncKey(s.o.Migration, k))
	return err
}
