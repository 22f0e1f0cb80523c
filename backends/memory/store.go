// Package memory is a session store in this process: the embedded default, the
// stores of the demonstration, and, through its fault hook, the stores of
// tests.
//
//	s := memory.New(memory.Options{MaxSessions: 100_000})
//	defer s.Close()
//	err := s.Set(ctx, backends.Session{Key: backends.Key{Name: "sess:1"}, Data: data, Deadline: in30min})
//
// It promises all abilities of package backends, deadlines to the millisecond
// by a clock that can be given, data copied in and out, and a bound on what it
// holds. It starts no goroutine and opens no socket, so it works in a
// testing/synctest bubble. What it holds ends with the process.
package memory

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// ErrFull is returned, with nothing changed, by a write for which there is no
// room while no session may be evicted.
var ErrFull = errors.New("backends/memory: full")

// Options of a store. The zero value works.
type Options struct {
	// MaxSessions bounds the names held: sessions, locks, tombstones, marks.
	// Zero means 1,000,000. Writers at the same moment may pass it by a few.
	MaxSessions int
	// MaxBytes bounds names, data and an estimate of what a session costs
	// besides (128 bytes). Zero means 256 MiB.
	MaxBytes int64
	// MaxData bounds one session. Zero means backends.MaxData.
	MaxData int
	// Evict makes room by throwing out sessions that were not used lately,
	// where otherwise a write gets ErrFull. Tombstones and marks stay.
	Evict bool
	// Migration names the tombstones and marks that Scan lists. Zero means
	// "memory".
	Migration string
	// Now is the clock. nil means time.Now.
	Now func() time.Time
	// Faults, if set, is asked before each call what is to go wrong.
	Faults Faults
}

// Store is a session store in memory.
type Store struct {
	opts    Options
	now     func() time.Time
	runID   string
	seed    maphash.Seed
	shards  [shardCount]shard
	closed  atomic.Bool
	entries atomic.Int64 // in all shards
	bytes   atomic.Int64
	evicted atomic.Uint64
	reclaim atomic.Int64 // when all shards were searched for expired sessions, in ms
	faults  faultState
}

var (
	_ backends.Store        = (*Store)(nil)
	_ backends.Reader       = (*Store)(nil)
	_ backends.Toucher      = (*Store)(nil)
	_ backends.Adder        = (*Store)(nil)
	_ backends.Guarder      = (*Store)(nil)
	_ backends.BatchGuarder = (*Store)(nil)
	_ backends.Tombstoner   = (*Store)(nil)
	_ backends.Marker       = (*Store)(nil)
	_ backends.Locker       = (*Store)(nil)
	_ backends.Scanner      = (*Store)(nil)
	_ backends.BatchReader  = (*Store)(nil)
	_ backends.Healther     = (*Store)(nil)
	_ backends.Taker        = (*Store)(nil)
)

// New makes an empty store.
func New(opts Options) *Store {
	if opts.MaxSessions <= 0 {
		opts.MaxSessions = 1_000_000
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = 256 << 20
	}
	if opts.MaxData <= 0 {
		opts.MaxData = backends.MaxData
	}
	if opts.Migration == "" {
		opts.Migration = "memory"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	var id [16]byte
	rand.Read(id[:])
	s := &Store{opts: opts, now: opts.Now, runID: hex.EncodeToString(id[:]), seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].entries = map[string]*entry{}
	}
	return s
}

// Close drops everything. Calls after it get backends.ErrClosed.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.faults.stop()
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.entries, sh.watches = map[string]*entry{}, nil
		sh.mu.Unlock()
	}
	s.entries.Store(0)
	s.bytes.Store(0)
	return nil
}

// enter is what every call begins with.
func (s *Store) enter(ctx context.Context, ks ...backends.Key) error {
	if s.closed.Load() {
		return backends.ErrClosed
	}
	for i := range ks {
		if err := backends.CheckKey(ks[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// never is the deadline, in ms, of a session without one. (Zero is a time.)
const never = math.MaxInt64

// millis is a deadline in ms, rounded up so that a session never ends early.
func millis(deadline time.Time) int64 {
	if deadline.IsZero() {
		return never
	}
	ms := deadline.UnixMilli()
	if deadline.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}

// clock is now in ms.
func (s *Store) clock() int64 { return s.now().UnixMilli() }

// until is now and a time to live, in ms, rounded up.
func (s *Store) until(ttl time.Duration) int64 { return millis(s.now().Add(ttl)) }

// Health never fails on an open store. Connections is always zero.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	if err := s.enter(ctx); err != nil {
		return backends.Health{}, err
	}
	return faulty(s, ctx, OpHealth, "", func() (backends.Health, error) {
		return backends.Health{
			Product:   "memory",
			Version:   "1",
			RunID:     s.runID,
			Evictions: s.evicted.Load(),
			Evicts:    s.opts.Evict,
			Parked:    s.faults.pending(),
		}, nil
	})
}

// Len is how many names the store holds, expired ones not yet reclaimed
// included, and how many bytes it counts for them.
func (s *Store) Len() (names int, size int64) { return int(s.entries.Load()), s.bytes.Load() }

func (e *entry) session(k backends.Key) backends.Session {
	out := backends.Session{Key: k, Data: bytes.Clone(e.data), Flags: e.flags}
	if out.Data == nil {
		out.Data = []byte{}
	}
	if e.deadline != never {
		out.Deadline = time.UnixMilli(e.deadline).UTC()
	}
	return out
}

// TakesData implements backends.Taker: what is stored is a copy, made before
// anything waits.
func (s *Store) TakesData() bool { return true }
