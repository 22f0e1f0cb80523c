// Package pair is two memcached servers that hold the same, as one store: one
// may die, and no session is lost.
//
//	s, err := pair.New(pair.Options{Migration: "sessions", Members: [2]string{"10.0.0.1:11211", "10.0.0.2:11211"}})
//	defer s.Close()
//
// Which members are whole (hold all that was acknowledged) stands in a record on
// each of them, which every agent reads ten times a second. The first whole one
// leads: reads, and all that has to be decided (adds, guards, locks), are asked of
// it; what came of it is written to the other before the answer. So:
//
//   - One that takes no write is out, by the record on the other, before that
//     write is acknowledged; an agent acts on nothing that it has not read within
//     Lease, and who takes a member out, or learns of it, waits that long before
//     anything is acknowledged. A member that refuses costs some Lease; one that is
//     silent some Lease more, or the calls' own deadline.
//   - One that comes back is filled from the other before it counts as whole:
//     all agents write to it meanwhile, copies are guarded, what the other does not
//     have is removed, and calls to it of unknown outcome have ended before.
//   - One that was started anew holds no record, and an answer that rests on
//     something not being there (a miss, an add, a lock) counts only if the record
//     was still there after it. That is one small read more for a miss.
//   - Both started anew are an empty store with another run id.
//
// Who leads stays so when the other is whole again. Were it always the first of
// the configuration, agents that have seen the new record and agents that have not
// would grant the same lock, each on another member.
//
// What it does not promise: with no third place to ask, one agent that is cut off
// from the one member while another agent is cut off from the other go on with a
// member each. Where both members answer somebody within Lease, the record on the
// first of the configuration counts, and the other is filled anew. Of two writes of
// one session at once each member may keep another one, until the next write.
//
// With Options.Replicates the servers copy among themselves (repcached): one is
// written to, the other takes over, nothing is filled, and what the servers had
// not copied yet is lost with the first; RunID then changes, as in any failover.
//
// Clients that go past the agents must write to both members themselves, as
// php-memcache does with both servers in session.save_path and
// memcache.session_redundancy=2. Which of the two it asks first, and where
// memcache.allow_failover goes on, is by a hash of the id, not by our order; since
// each holds all, we read all whichever leads. What such a client writes while a
// member is out is copied to it later if it was written to the one that leads.
//
// Tried with memcached 1.6.18. A fill needs its listing (lru_crawler metadump).
package pair

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	// Lease is how long an agent may act on what it has read in the records. Less,
	// and a busy agent keeps waiting for its next look; more, and a member's death
	// holds writes up for longer.
	Lease = 300 * time.Millisecond
	// Period is how often each record is read.
	Period = 100 * time.Millisecond
	// wait is Lease and what two clocks may go apart in it.
	wait = Lease + Lease/20
	// patience is how long a member may take to answer the look at its record
	// before it counts as silent. A healthy one takes less than a millisecond; this
	// is for an agent's host without a free core.
	patience = time.Second
)

// Options of a pair. Migration and Members are required.
type Options struct {
	Migration   string
	Members     [2]string     // host:port, or a path for a Unix socket
	DialTimeout time.Duration // see memcached.Options
	// Replicates: the servers copy among themselves; see the package.
	Replicates bool
	// Dial, where set, opens the connections to a member (TLS, tests).
	Dial func(ctx context.Context, member string) (net.Conn, error)
}

// Store is the pair. It is safe for concurrent use.
type Store struct {
	o       Options
	members [2]*member
	start   string // this agent's id, 16 hex digits

	once sync.Once // starts the goroutines, at the first call
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	view atomic.Pointer[view] // nil until the records were read
	turn chan struct{}        // held by who changes the record
	fill fill

	// mu guards what follows. No I/O under it.
	mu     sync.Mutex
	moved  chan struct{} // closed, and made anew, when something was read
	doubts map[*backends.Unknown]*member
	closed bool
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
	_ backends.Pooled      = (*Store)(nil)
	_ backends.Peerer      = (*Store)(nil)
	_ backends.Sizer       = (*Store)(nil)
	_ backends.Ringed      = (*Store)(nil)
)

// New makes a pair. Nothing is dialled, and no goroutine started, before the first
// call.
func New(o Options) (*Store, error) {
	if o.Members[0] == "" || o.Members[1] == "" || o.Members[0] == o.Members[1] {
		return nil, errors.New("pair: two members are needed, that differ")
	}
	s := &Store{o: o, start: id(), turn: make(chan struct{}, 1), moved: make(chan struct{}), doubts: map[*backends.Unknown]*member{}}
	s.turn <- struct{}{}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for i, addr := range o.Members {
		s.members[i] = newMember(i, addr, o)
	}
	return s, nil
}

// id is 16 random hex digits.
func id() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Servers implements backends.Ringed: a note stands on each member.
func (s *Store) Servers() []backends.Store {
	return []backends.Store{s.members[0].store, s.members[1].store}
}

// Close implements backends.Store. It waits for its goroutines.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.wg.Wait()
	var errs []error
	for _, m := range s.members {
		errs = append(errs, m.store.Close(), m.raw.Close())
	}
	return errors.Join(errs...)
}

// run starts the goroutines that read the records.
func (s *Store) run() {
	s.once.Do(func() {
		for _, m := range s.members {
			s.async(func() { s.watch(m) })
		}
	})
}

// async runs fn in a goroutine that Close waits for.
func (s *Store) async(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.wg.Go(fn)
}
