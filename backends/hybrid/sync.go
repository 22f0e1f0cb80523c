package hybrid

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// retryAfter is how long a session whose row could not be written is left
// alone, where there is an older row.
const retryAfter = 5 * time.Second

// endSlack is how long before its deadline a row that is gone may have ended
// by itself: memcached counts whole seconds, and the servers' clocks differ.
const endSlack = 10 * time.Second

// guardFor bounds the guards of a write, of a row and of its marker.
const guardFor = 5 * time.Second

// due tells whether a write with that deadline has to go to the table: nobody
// has written the session there for SyncEvery, of several agents the first; or
// the row would outlive what memcached holds, and come back after it. The
// marker is empty until the row is written: an agent that dies or fails in
// between leaves the write due.
func (s *Store) due(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	claim := backends.Session{Key: backends.SyncKey(s.o.Migration, k), Deadline: time.Now().Add(s.o.SyncEvery)}
	m, found, err := s.cache.Get(ctx, claim.Key)
	switch {
	case err != nil:
		return false, err
	case !found:
		return s.cache.Add(ctx, claim)
	case len(m.Data) != 8:
		return true, nil
	case ends(deadline) < endOf(m):
		return true, s.cache.Set(ctx, claim)
	}
	return false, nil
}

// ends is a deadline as it stands in the markers: unix milliseconds.
func ends(deadline time.Time) int64 {
	if deadline.IsZero() {
		return math.MaxInt64
	}
	return deadline.UnixMilli()
}

// endOf is what a marker says of the row's end; 0: nothing.
func endOf(m backends.Session) int64 {
	if len(m.Data) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(m.Data))
}

// marker says until when the row lives.
func marker(k backends.Key, deadline, life time.Time) backends.Session {
	return backends.Session{Key: k, Data: binary.BigEndian.AppendUint64(nil, uint64(ends(deadline))), Deadline: life}
}

// written notes that the row was not to be written for a while.
func (s *Store) written(ctx context.Context, k backends.Key, deadline time.Time, life time.Duration) error {
	return s.cache.Set(ctx, marker(backends.SyncKey(s.o.Migration, k), deadline, time.Now().Add(life)))
}

// sync writes the row.
func (s *Store) sync(ctx context.Context, k backends.Key, deadline time.Time, write func() error) error {
	g, err := s.noting(ctx, k)
	if err != nil {
		return err // still due
	}
	defer g.Release()
	row := g.Record()
	if s.o.SQLLogouts && endOf(row.Session) > time.Now().Add(endSlack).UnixMilli() {
		_, there, rowErr := s.rows.Get(ctx, k)
		if rowErr == nil && !there {
			return s.revoke(ctx, k)
		}
		err = rowErr
	}
	if err == nil {
		err = write()
	}
	if err == nil {
		s.stats.synced.Add(1)
		return s.note(ctx, g, k, deadline)
	}
	// The session is in memcached, where reads find it. Where no row stands it
	// would not outlive that, and one that ends later would come back after it:
	// then the client is told.
	if end := endOf(row.Session); end > 0 && end <= ends(deadline) && !unknown(err) && !errors.Is(err, errLost) {
		s.stats.unsynced.Add(1)
		return s.written(ctx, k, deadline, retryAfter)
	}
	return err // still due
}

// noting guards the marker of the row, so that what is noted there does not
// outlive a delete that comes after the row was written: that removes the marker
// first. An empty one stands meanwhile, since the removal of nothing would not
// be seen.
func (s *Store) noting(ctx context.Context, k backends.Key) (backends.Guard, error) {
	for {
		now := time.Now()
		g, err := s.cache.Guard(ctx, backends.RowKey(s.o.Migration, k), now.Add(guardFor))
		if err != nil || g.Record().Found {
			return g, err
		}
		g.Release()
		empty := backends.Session{Key: backends.RowKey(s.o.Migration, k), Deadline: now.Add(2 * guardFor)}
		if _, err := s.cache.Add(ctx, empty); err != nil {
			return nil, err
		}
	}
}

// note sets both markers, unless the session was deleted, or its row written by
// somebody else, since the guard of the one was taken.
func (s *Store) note(ctx context.Context, g backends.Guard, k backends.Key, deadline time.Time) error {
	if err := s.written(ctx, k, deadline, s.o.SyncEvery); err != nil {
		return err
	}
	err := g.Swap(ctx, marker(g.Record().Key, deadline, deadline))
	if errors.Is(err, backends.ErrConflict) {
		_, err = s.cache.Delete(ctx, backends.SyncKey(s.o.Migration, k))
	}
	return err
}

// revoke takes a session out of memcached whose row was deleted. What somebody
// has written since the second look is another session, or will be looked at by
// its own next write.
func (s *Store) revoke(ctx context.Context, k backends.Key) error {
	g, err := s.cache.Guard(ctx, k, time.Now().Add(guardFor))
	if err != nil {
		return err
	}
	defer g.Release()
	_, stood, err := s.cache.Get(ctx, backends.RowKey(s.o.Migration, k))
	if err != nil || !stood {
		return err // it was deleted, after our write
	}
	if _, there, err := s.rows.Get(ctx, k); err != nil || there {
		return err
	}
	if err := s.forget(ctx, k); err != nil {
		return err
	}
	switch err := g.Bury(ctx, 2*guardFor); {
	case errors.Is(err, backends.ErrConflict):
		return nil
	case err != nil:
		return err
	}
	s.stats.revoked.Add(1)
	return backends.ErrRevoked
}

// missed is called where neither tier has a session. What comes under its id is
// a new one, whose row has not been deleted.
func (s *Store) missed(ctx context.Context, k backends.Key) error {
	if !s.o.SQLLogouts || s.o.ReadOnly {
		return nil
	}
	_, err := s.cache.Delete(ctx, backends.RowKey(s.o.Migration, k))
	return err
}

// forget removes the markers, the one that can do harm first.
func (s *Store) forget(ctx context.Context, k backends.Key) error {
	if _, err := s.cache.Delete(ctx, backends.RowKey(s.o.Migration, k)); err != nil {
		return err
	}
	_, err := s.cache.Delete(ctx, backends.SyncKey(s.o.Migration, k))
	return err
}
