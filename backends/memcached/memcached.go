// Package memcached keeps sessions in one memcached server.
//
// It promises what backends.Store promises, with the deadlines in whole
// seconds, and every further ability except BatchGuarder (memcached has
// nothing that changes many keys together). Many calls share few connections,
// each call leaves at its own deadline, and a connection that no longer
// answers is set aside, not closed: what it carried may still take effect, and
// the Unknown that the caller got says when that is over.
//
//	s := memcached.New("127.0.0.1:11211", memcached.Options{Migration: "sessions"})
//	defer s.Close()
//	err := s.Set(ctx, backends.Session{Key: backends.Key{Name: "sess:1"}, Data: data, Deadline: in30min})
//	got, found, err := s.Get(ctx, backends.Key{Name: "sess:1"})
//
// A server with the meta commands (memcached 1.6) is asked through a client of
// our own; one without (found at first use) through gomemcache, and then no
// deadline can be read. What Crossfade keeps beside sessions has its formats
// in docs/formats.md. Tried with memcached 1.6.18.
package memcached

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/stream"
)

// Options are what New can be told; the zero value works.
type Options struct {
	// Migration is the migration's name, part of the names of tombstones and
	// marks.
	Migration string
	// Name, where set, tells the server from others: it ends the run ids.
	Name string
	// Conns is how many connections serve at most; default 2, and 1 where Go runs
	// on one processor. One is enough for
	// some 300,000 gets a second; memcached serves each from one thread.
	Conns int
	// MaxConns bounds the connections, parked ones included; default two for
	// each core, at least Conns+2. When all are parked, calls get ErrBusy. On a
	// server without meta each carries one call at a time; default 32.
	MaxConns int
	// InFlight bounds the calls on one connection; default 4096.
	InFlight int
	// Queued bounds the bytes that wait to be written to one connection;
	// default 16 MiB. A single call may be larger.
	Queued int
	// DialTimeout bounds a connection attempt with its greeting; default 1 s.
	DialTimeout time.Duration
	// Classic makes the store use nothing but the commands of old (get, gets,
	// set, add, cas, append, touch, delete), as it does by itself with a server
	// that has no meta commands.
	Classic bool
	// Dial, where set, opens the connections (TLS, tests).
	Dial func(ctx context.Context) (net.Conn, error)
}

// Store is one memcached server. It is safe for concurrent use.
type Store struct {
	opts   Options
	pool   *stream.Pool
	slots  *slots
	admin  admin
	facts  atomic.Pointer[facts] // of the last greeting
	old    atomic.Bool           // the server has no meta commands
	scans  atomic.Int32          // connections that list keys
	dialed backends.Dialed
	done   atomic.Bool // closed
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
	_ backends.Taker       = (*Store)(nil)
)

// New makes a store for the server at addr: host:port, or a path for a Unix
// socket. Nothing is dialled before the first call.
func New(addr string, o Options) *Store {
	classicMax := o.MaxConns
	if classicMax <= 0 {
		classicMax = 32
	}
	if o.Conns <= 0 {
		o.Conns = min(2, runtime.GOMAXPROCS(0))
	}
	if o.MaxConns <= 0 {
		o.MaxConns = max(2*runtime.GOMAXPROCS(0), o.Conns+2)
	}
	o.Conns = min(o.Conns, o.MaxConns)
	if o.InFlight <= 0 {
		o.InFlight = 4096
	}
	if o.Queued <= 0 {
		o.Queued = 16 << 20
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = time.Second
	}
	if o.Dial == nil {
		network := "tcp"
		if strings.HasPrefix(addr, "/") {
			network = "unix"
		}
		o.Dial = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		}
	}
	s := &Store{opts: o}
	s.old.Store(o.Classic)
	s.pool = stream.New(&stream.Pool{
		Product: "memcached", Connect: s.connect, Unknown: s.unknown,
		Final: func(err error) bool { return errors.Is(err, errNoMeta) },
		Conns: o.Conns, MaxConns: o.MaxConns, InFlight: o.InFlight, Queued: o.Queued, DialTimeout: o.DialTimeout,
	})
	s.slots = newSlots(s, s.pool.Context(), classicMax)
	s.admin.init(s)
	return s
}

// TakesData implements backends.Taker: a packet is a copy.
func (s *Store) TakesData() bool { return true }

// Close implements backends.Store. It waits for the goroutines of the
// connections; calls that are under way end.
func (s *Store) Close() error {
	s.done.Store(true)
	s.pool.Close()
	s.slots.close()
	s.admin.close()
	return nil
}

// exec sends the commands of c in one packet (without meta: one after the
// other) and waits for the answers. When it returns an error c is no longer the
// caller's; otherwise the caller frees it.
func (s *Store) exec(ctx context.Context, c *call) error {
	if !s.old.Load() {
		err := s.pool.Do(ctx, c)
		if !errors.Is(err, errNoMeta) {
			return err
		}
		s.old.Store(true)
	}
	return s.slots.exec(ctx, c)
}

// unknown makes the error of a call of unknown outcome.
func (s *Store) unknown(cause error, conn, runID string) *backends.Unknown {
	return backends.NewUnknown(cause, conn, runID, func(ctx context.Context) error {
		return s.Settle(ctx, conn, runID)
	})
}

// changed turns an error after a first change into one that says so: nothing
// more can happen, but what stands now is not what stood before.
func (s *Store) changed(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := backends.IsUnknown(err); ok {
		return err
	}
	u := s.unknown(err, "", "")
	u.Resolve()
	return u
}

// checkSize refuses what the server would refuse, because it would not only
// refuse: a set that is too large, or finds no memory, removes the item that
// stood there (protocol.txt: "object too large for cache"; seen with 1.6.18).
func (s *Store) checkSize(ctx context.Context, k backends.Key, data []byte) error {
	const header = 48 + 8 + 1 + 4 + 2 // item, cas, end of key, flags, end of data
	limit := uint64(1 << 20)
	size := uint64(header + len(k.Name) + len(data))
	f := s.facts.Load()
	if f == nil && size > limit { // perhaps it was started with a greater -I
		var err error
		if f, err = s.ask(ctx); err != nil {
			return err
		}
	}
	if f != nil && f.itemMax > 0 {
		limit = f.itemMax
	}
	if size > limit {
		return backends.ErrTooLarge
	}
	return nil
}
