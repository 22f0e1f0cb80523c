package memcached

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed-41165957/crossfade/backends"
)

// slots is the way to a server without meta commands: gomemcache, one client
// with one connection for each slot, so that we know which connection a call
// went out on. gomemcache has no context and would close a connection at its
// timeout, and the call could still take effect; so it gets a very long one,
// each call runs in a goroutine of its own, and who leaves early leaves the
// goroutine with its slot: that is the parked connection.
type slots struct {
	s      *Store
	ctx    context.Context // ended by Close
	free   chan *slot
	max    int
	parked atomic.Int32

	// mu guards what follows.
	mu     sync.Mutex
	all    []*slot
	closed bool
	wg     sync.WaitGroup
}

// slot is one connection to be.
type slot struct {
	client *memcache.Client

	// mu guards what follows; the client dials in whatever goroutine calls it.
	mu   sync.Mutex
	nc   net.Conn // nil: none
	name string
}

const noTimeout = 24 * time.Hour

func newSlots(s *Store, ctx context.Context, max int) *slots {
	return &slots{s: s, ctx: ctx, free: make(chan *slot, max), max: max}
}

// take gives a free slot, a new one while there are fewer than max, or waits.
// If all are parked there is nothing to wait for.
func (sl *slots) take(ctx context.Context) (*slot, error) {
	select {
	case x := <-sl.free:
		return x, nil
	default:
	}
	sl.mu.Lock()
	if sl.closed {
		sl.mu.Unlock()
		return nil, backends.ErrClosed
	}
	if len(sl.all) < sl.max {
		x := sl.open()
		sl.all = append(sl.all, x)
		sl.mu.Unlock()
		return x, nil
	}
	sl.mu.Unlock()
	if int(sl.parked.Load()) >= sl.max {
		return nil, backends.ErrBusy
	}
	select {
	case x := <-sl.free:
		return x, nil
	case <-sl.ctx.Done():
		return nil, backends.ErrClosed
	case <-ctx.Done():
		return nil, fmt.Errorf("memcached: not sent: %w", ctx.Err())
	}
}

func (sl *slots) open() *slot {
	x := &slot{client: memcache.New("127.0.0.1:1")} // opts.Dial knows the address
	x.client.Timeout = noTimeout
	x.client.MaxIdleConns = 1
	x.client.DialContext = func(context.Context, string, string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(sl.ctx, sl.s.opts.DialTimeout)
		defer cancel()
		nc, br, err := sl.s.open(ctx)
		if err != nil {
			return nil, &dialError{err}
		}
		// Settle relies on it: a connection on which something was answered has
		// been accepted, and is listed.
		if err := version(nc, br); err != nil {
			nc.Close()
			return nil, &dialError{ended(ctx, err)}
		}
		nc.SetDeadline(time.Time{})
		sl.s.ask(ctx) // for the run id; a proxy may not tell, which is no error here
		kept := &slotConn{Conn: nc, x: x}
		x.mu.Lock()
		x.nc, x.name = kept, localName(nc)
		x.mu.Unlock()
		return kept, nil
	}
	return x
}

// slotConn tells its slot when it is closed.
type slotConn struct {
	net.Conn
	x *slot
}

func (c *slotConn) Close() error {
	c.x.mu.Lock()
	if c.x.nc == c {
		c.x.nc = nil
	}
	c.x.mu.Unlock()
	return c.Conn.Close()
}

// dialError marks what came before anything was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return "memcached: not sent: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func (x *slot) addr() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.name
}

// count gives the open connections and those parked.
func (sl *slots) count() (open, parked int) {
	sl.mu.Lock()
	defer sl.mu.Unlock()
	for _, x := range sl.all {
		x.mu.Lock()
		if x.nc != nil {
			open++
		}
		x.mu.Unlock()
	}
	return open, int(sl.parked.Load())
}

func (sl *slots) close() {
	sl.mu.Lock()
	sl.closed = true
	all := sl.all
	sl.mu.Unlock()
	for _, x := range all {
		x.mu.Lock()
		nc := x.nc
		x.mu.Unlock()
		if nc != nil {
			nc.Close()
		}
	}
	sl.wg.Wait()
}

// runID is the server's, as far as it is known.
func (s *Store) runID() string {
	if f := s.facts.Load(); f != nil {
		return f.runID
	}
	return ""
}
