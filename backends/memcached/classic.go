package memcached

import (
	"context"
	"errors"
	"fmt"
	"io"
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
		nc, err := sl.s.opts.Dial(ctx)
		if err != nil {
			return nil, &dialError{err}
		}
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

func (e *dialError) Error() string { return "memcached: connect: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// exec is Store.exec for such a server.
func (sl *slots) exec(ctx context.Context, c *call) error {
	x, err := sl.take(ctx)
	if err != nil {
		c.free()
		return err
	}
	sl.mu.Lock()
	if sl.closed {
		sl.mu.Unlock()
		c.free()
		return backends.ErrClosed
	}
	sl.wg.Add(1)
	sl.mu.Unlock()
	c.expect()
	r := &run{sl: sl, x: x, c: c}
	go r.run()
	select {
	case <-c.done:
	case <-ctx.Done():
		if err := r.leave(ctx.Err()); err != nil {
			return err
		}
		<-c.done
	}
	if err := c.err; err != nil {
		c.free()
		return err
	}
	return nil
}

// run is one call in its goroutine.
type run struct {
	sl *slots
	x  *slot
	c  *call

	// mu guards what follows.
	mu      sync.Mutex
	left    bool
	ended   bool
	sent    bool // a change may have been sent
	unknown *backends.Unknown
}

func (r *run) run() {
	defer r.sl.wg.Done()
	err := r.commands()
	r.mu.Lock()
	r.ended = true
	left, unknown := r.left, r.unknown
	r.mu.Unlock()
	if left {
		r.sl.parked.Add(-1)
		// A connection that broke leaves the doubt: the server may have it still.
		if u, ok := backends.IsUnknown(err); unknown != nil && (!ok || isDone(u)) {
			unknown.Resolve()
		}
	} else {
		r.c.err = err
		r.c.done <- struct{}{}
	}
	r.sl.free <- r.x
}

// leave is what conn.leave is.
func (r *run) leave(cause error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	r.left = true
	r.sl.parked.Add(1)
	if !r.sent {
		return fmt.Errorf("memcached: no answer: %w", cause)
	}
	r.unknown = r.sl.s.unknown(cause, r.x.addr(), r.sl.s.runID())
	return r.unknown
}

func isDone(u *backends.Unknown) bool {
	select {
	case <-u.Done():
		return true
	default:
		return false
	}
}

// commands runs the commands one after the other, as long as somebody waits.
func (r *run) commands() error {
	changed := false
	for i := range r.c.cmds {
		cmd := &r.c.cmds[i]
		r.mu.Lock()
		if r.left {
			r.mu.Unlock()
			return nil
		}
		r.sent = r.sent || cmd.changes()
		r.mu.Unlock()
		err := r.x.do(cmd, &r.c.ans[i])
		var refused *dialError
		switch {
		case err == nil:
			changed = changed || cmd.changes()
			continue
		case errors.As(err, &refused):
		case cmd.changes():
			u := r.sl.s.unknown(broken(err), r.x.addr(), r.sl.s.runID())
			if answered(err) {
				u.Resolve()
			}
			return u
		}
		if changed {
			return r.sl.s.changed(broken(err))
		}
		return broken(err)
	}
	return nil
}

// answered tells whether the server gave an answer, which gomemcache has only
// as a text (SERVER_ERROR): then nothing can arrive later.
func answered(err error) bool {
	var ne net.Error
	return !errors.As(err, &ne) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed)
}

// broken is gomemcache's error without its text, which may hold a key.
func broken(err error) error {
	var d *dialError
	switch {
	case errors.As(err, &d):
		return d
	case answered(err):
		return errServer
	}
	return errLost
}

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
