package memcached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/stream"
)

// exec is Store.exec for such a server.
func (sl *slots) exec(ctx context.Context, c *call) error {
	if err := ctx.Err(); err != nil {
		c.free()
		return fmt.Errorf("memcached: not sent: %w", err)
	}
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
	for i := range c.cmds {
		c.cmds[i].data = bytes.Clone(c.cmds[i].data) // it may be sent when the caller has left
	}
	r := &run{sl: sl, x: x, c: c, done: make(chan error, 1)}
	go r.run()
	select {
	case err := <-r.done:
		if err != nil {
			c.free()
		}
		return err
	case <-ctx.Done():
		if err := r.leave(ctx.Err()); err != nil {
			return err
		}
	}
	err = <-r.done // it came at the same moment
	if err != nil {
		c.free()
	}
	return err
}

// run is one call in its goroutine.
type run struct {
	sl   *slots
	x    *slot
	c    *call
	done chan error // cap 1: unless the caller has left

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
		r.done <- err
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
			if final(err) {
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

// refusals are what stands after SERVER_ERROR where nothing can arrive later: a
// server's own words, and twemproxy's for a command that it could not send.
var refusals = []string{"object too large for cache", "out of memory", "Connection refused", "No route to host", "Network is unreachable"}

// final tells whether nothing can arrive later. A proxy answers in the place of
// a server that is late (twemproxy: SERVER_ERROR Connection timed out), or that
// it has lost: what it has sent there may still be carried out.
func final(err error) bool {
	if !answered(err) {
		return false
	}
	_, text, found := strings.Cut(err.Error(), "SERVER_ERROR ")
	return !found || slices.ContainsFunc(refusals, func(r string) bool { return strings.HasPrefix(text, r) })
}

// answered tells whether there was an answer, which gomemcache has only as a
// text.
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
	return stream.ErrLost
}
