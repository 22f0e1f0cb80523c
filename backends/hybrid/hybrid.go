// Package hybrid is memcached in front of SQL, as sites have it in their own
// code: reads ask memcached first and the table second; writes go to memcached
// each time, and to the table only if the session was not written there for a
// while. That while is shared by all agents: a marker in memcached, made by
// add.
//
//	s := hybrid.New(memcached.New(addr, …), mysql.New(…), hybrid.Options{Migration: "sessions", SyncEvery: 2 * time.Minute})
//	defer s.Close()
//	rec, err := s.Read(ctx, backends.Key{Name: "sess:1"})
//	rec.Lagging // the table answered: it may be up to SyncEvery behind
//
// What it promises:
//   - A session that was written through it is in the table, at most SyncEvery
//     behind, so that a memcached that restarts logs nobody out. The first
//     write of a session with data goes to both.
//   - What the table answers is marked Lagging. It fills what another store
//     lacks, and is no reason to overwrite what it holds.
//   - With Options.SQLLogouts, a row that was there, and is found gone when the
//     next write is due in the table, was deleted by SQL: a logout, honoured
//     within SyncEvery of use. The write gets backends.ErrRevoked, and the
//     session is gone from memcached too. Without it the row is written again.
//   - Locks, marks and tombstones are in memcached, as the applications' locks
//     are: RunID and Evictions are memcached's, so that agents learn when it has
//     lost them.
//
// While memcached refuses connections, reads and writes go to the table alone,
// as the applications' code does. One that takes them and does not answer is an
// error: what it holds counts as soon as it goes on. A memcached that only some agents reach is a
// bound on what is promised: what they write to the table, others do not see
// until memcached has lost its copy.
//
// With Options.ReadOnly the application writes the table itself: it is read by
// Read, ReadMany and Scan (for copies, comparisons and checks), and never
// written; Get asks memcached alone, since the application asks the table
// itself.
package hybrid

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Tier is what both stores must be able to do.
type Tier interface {
	backends.Store
	backends.Reader
	backends.BatchReader
	backends.Toucher
	backends.Adder
	backends.Guarder
	backends.Tombstoner
	backends.Scanner
	backends.Healther
}

// Cache is what the fast tier must be able to do besides.
type Cache interface {
	Tier
	backends.Marker
	backends.Locker
}

// Options of a store. Migration is required.
type Options struct {
	Migration string // names the markers: [a-z0-9-]{1,32}
	// SyncEvery is how long a session may be written to memcached alone. Zero: 2
	// minutes. memcached counts whole seconds, so at least one.
	SyncEvery time.Duration
	// SQLLogouts takes a row that somebody has deleted for a logout. Not for a
	// table that may lose rows otherwise (a failover to a replica that is
	// behind, a restored backup): all sessions that lost theirs would go too.
	SQLLogouts bool
	// Prefix is what memcached's names have before the table's ids ("sess:"). A
	// name without it is the same in both.
	Prefix string
	// ReadOnly leaves the table to the application: see the package.
	ReadOnly bool
}

// Store is memcached over a table. It is safe for concurrent use.
type Store struct {
	o      Options
	cache  Cache
	rows   Tier
	stats  stats
	closed atomic.Bool
}

var (
	_ backends.Store       = (*Store)(nil)
	_ backends.Reader      = (*Store)(nil)
	_ backends.BatchReader = (*Store)(nil)
	_ backends.Toucher     = (*Store)(nil)
	_ backends.Adder       = (*Store)(nil)
	_ backends.Guarder     = (*Store)(nil)
	_ backends.Tombstoner  = (*Store)(nil)
	_ backends.Marker      = (*Store)(nil)
	_ backends.Locker      = (*Store)(nil)
	_ backends.Scanner     = (*Store)(nil)
	_ backends.Healther    = (*Store)(nil)
	_ backends.FlagKeeper  = (*Store)(nil)
	_ backends.Tiered      = (*Store)(nil)
	_ backends.Pooled      = (*Store)(nil)
)

// New makes a store of two. It closes them when it is closed.
func New(cache Cache, rows Tier, o Options) *Store {
	if o.SyncEvery <= 0 {
		o.SyncEvery = 2 * time.Minute
	}
	o.SyncEvery = max(o.SyncEvery, time.Second)
	if o.Prefix != "" {
		rows = ids{rows, o.Prefix}
	}
	return &Store{o: o, cache: cache, rows: rows}
}

// Tiers gives memcached and the table, whose names are memcached's.
func (s *Store) Tiers() (fast, slow backends.Store) { return s.cache, s.rows }

// Close closes both tiers.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return errors.Join(s.cache.Close(), s.rows.Close())
}

// table is the slow tier itself.
func (s *Store) table() Tier {
	if t, ok := s.rows.(ids); ok {
		return t.Tier
	}
	return s.rows
}

// KeepsFlags is true where both tiers keep them.
func (s *Store) KeepsFlags() bool {
	for _, t := range []Tier{s.cache, s.table()} {
		if k, ok := t.(backends.FlagKeeper); ok && !k.KeepsFlags() {
			return false
		}
	}
	return true
}

// Stats counts what the two tiers did since the start.
type Stats struct {
	FromCache uint64 // reads that memcached answered with a session
	FromRows  uint64 // ... and the table, after a miss or an error of memcached
	Synced    uint64 // writes to the table
	Put       uint64 // writes to memcached alone
	Unsynced  uint64 // writes that were due in the table and failed there, with memcached holding the session
	Revoked   uint64 // sessions whose row somebody else had deleted
}

type stats struct{ fromCache, fromRows, synced, put, unsynced, revoked atomic.Uint64 }

// Stats gives the counts.
func (s *Store) Stats() Stats {
	return Stats{s.stats.fromCache.Load(), s.stats.fromRows.Load(), s.stats.synced.Load(), s.stats.put.Load(),
		s.stats.unsynced.Load(), s.stats.revoked.Load()}
}

// half leaves time for the other tier.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, time.Second)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}

// twice asks memcached, and once more where it did not take the call: one dial
// that fails is no reason to go past a memcached that others reach, and whose
// copy then hides what is written to the table. Both together leave time for the
// table.
func twice(ctx context.Context, call func(context.Context) error) error {
	fast, cancel := half(ctx)
	defer cancel()
	err := call(fast)
	if err == nil || unknown(err) || answered(err) || fast.Err() != nil {
		return err
	}
	return call(fast)
}

// unknown tells whether a change may still arrive: then nothing else is tried.
func unknown(err error) bool {
	_, is := backends.IsUnknown(err)
	return is
}

// silent tells whether memcached is there and did not answer in time: what it
// holds counts as soon as it does, and would hide what was written to the table
// meanwhile, or be newer than what the table answers. So does one with which all
// our connections wait. Only one that takes no connection is gone.
func silent(err error) bool {
	if errors.Is(err, backends.ErrBusy) {
		return true
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return false
	}
	late := net.Error(nil)
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) && late.Timeout()
}

// answered tells whether an error is about the session, not about the server.
func answered(err error) bool {
	return errors.Is(err, backends.ErrTooLarge) || errors.Is(err, backends.ErrKey) || errors.Is(err, backends.ErrConflict)
}
