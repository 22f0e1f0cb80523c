// Package redis is the session store on Redis: one server, a primary that
// Sentinels watch, or a Cluster (tried with 7.0.15; it needs 5 or later).
//
//	s := redis.New(redis.Options{Addr: "127.0.0.1:6379", Migration: "sessions"})
//	defer s.Close()
//	err := s.Set(ctx, backends.Session{Key: backends.Key{Name: "PHPREDIS_SESSION:1"}, Data: data, Deadline: in30min})
//
// It promises every ability of package backends. Sessions are plain strings,
// as native clients write them; tombstones, marks and client flags are keys of
// their own (docs/formats.md). A change is sent once, except where the server
// has answered that it did nothing (MOVED, READONLY …). At its deadline the
// caller leaves and the connection stays, parked, until the late answer was
// read; Settle ends the doubt earlier.
//
// Deadlines are sent as moments of the server's own clock, which each connection
// and each look asks for (package clock): the two clocks need not agree, and what
// a call waits moves no deadline. Before 6.2, without PXAT, a plain SET sends the
// time left when it is written. Get does not ask for deadlines. Client flags are kept with Options.KeepFlags, else read as zero.
//
// A read whose context is cancelled, rather than past its deadline, returns at
// the deadline, or after Options.ReadTimeout: go-redis does not hear of it. A
// change does.
//
// In a cluster a session and what is kept beside it must lie in one slot.
// Names for which that cannot be (package backends, names.go) are refused with
// backends.ErrKey; GuardMany takes keys of one slot and answers
// backends.ErrApart to others.
package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// Store is a session store on Redis.
type Store struct {
	dialed backends.Dialed
	opts   Options
	layout layout
	only   *node // set where there is one server and always the same
	// proxied: only is a twemproxy (Proxied); set before anything is dialled.
	proxied bool
	closed  atomic.Bool
	// background is every goroutine but the lines' own.
	background sync.WaitGroup
	life       context.Context // ends with Close
	end        context.CancelFunc
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
	_ backends.FlagKeeper   = (*Store)(nil)
	_ backends.Taker        = (*Store)(nil)
)

// New makes a store. Nothing is dialled before the first call.
func New(opts Options) *Store {
	opts.defaults()
	s := &Store{opts: opts}
	s.life, s.end = context.WithCancel(context.Background())
	switch {
	case len(opts.Sentinel.Addrs) > 0:
		s.layout = newSentinel(s)
	case len(opts.Cluster) > 0:
		s.layout = newCluster(s)
	default:
		s.only = newNode(s, opts.Addr, 1)
		s.layout = fixed{s.only}
	}
	return s
}

// KeepsFlags tells whether Options.KeepFlags is set.
func (s *Store) KeepsFlags() bool { return s.opts.KeepFlags }

// TakesData implements backends.Taker: a packet is a copy.
func (s *Store) TakesData() bool { return true }

// Close closes all connections, parked ones too: what those calls did is then
// never known here.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.end()
	return s.layout.close()
}

// enterSession is enter for calls that touch what is kept beside a session.
func (s *Store) enterSession(ctx context.Context, ks ...backends.Key) error {
	if err := s.enter(ctx, ks...); err != nil {
		return err
	}
	return s.together(ks)
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

func (s *Store) enterData(ctx context.Context, sess backends.Session) error {
	if err := s.enterSession(ctx, sess.Key); err != nil {
		return err
	}
	if len(sess.Data) > s.opts.MaxData {
		return backends.ErrTooLarge
	}
	return nil
}

func (s *Store) gone(k backends.Key) string { return backends.GoneKey(s.opts.Migration, k).Name }

// ttlMillis is a time to live in ms, rounded up, at least 1.
func ttlMillis(ttl time.Duration) int64 {
	return max(1, int64((ttl+time.Millisecond-1)/time.Millisecond))
}

// Quiet keeps go-redis from printing to standard error: what it prints is
// returned as errors too. It acts on the whole process, so only a program's
// main may call it.
func Quiet() { goredis.SetLogger(silent{}) }

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
