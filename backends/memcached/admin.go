package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/stream"
)

// admin is the one connection for questions about the server. It is apart from
// the sessions': what it is asked about is whether those still answer.
type admin struct {
	s    *Store
	turn chan struct{} // held by who uses the connection
	nc   net.Conn      // nil: none
	br   *bufio.Reader
	open atomic.Bool
}

func (a *admin) init(s *Store) {
	a.s = s
	a.turn = make(chan struct{}, 1)
	a.turn <- struct{}{}
}

// use runs fn with the connection. After an error it is closed.
func (a *admin) use(ctx context.Context, fn func(net.Conn, *bufio.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-a.turn:
		defer func() { a.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if a.s.done.Load() {
		return backends.ErrClosed
	}
	reused := a.nc != nil
	err := a.once(ctx, fn)
	if err != nil && reused && ctx.Err() == nil {
		err = a.once(ctx, fn) // the server had closed it meanwhile
	}
	return err
}

func (a *admin) once(ctx context.Context, fn func(net.Conn, *bufio.Reader) error) error {
	if a.nc == nil {
		dctx, cancel := context.WithTimeout(ctx, a.s.opts.DialTimeout)
		defer cancel()
		nc, br, err := a.s.open(dctx)
		if err != nil {
			return err
		}
		a.nc, a.br = nc, br
		a.open.Store(true)
	}
	t, _ := ctx.Deadline() // none: the zero time is no deadline
	a.nc.SetDeadline(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.s.pool.Context(), cancel)() // Close ends it
	nc := a.nc
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	err := fn(a.nc, a.br)
	stop()
	if err != nil {
		a.drop()
		return ended(ctx, err)
	}
	return nil
}

// ended says why a connection that obeys ctx gave err.
func ended(ctx context.Context, err error) error {
	if e := ctx.Err(); e != nil {
		return e
	}
	if errors.Is(err, os.ErrDeadlineExceeded) { // the socket's clock was faster
		return context.DeadlineExceeded
	}
	return stream.Lost(err)
}

func (a *admin) drop() {
	if a.nc != nil {
		a.nc.Close()
		a.nc, a.br = nil, nil
		a.open.Store(false)
	}
}

// close waits for who uses the connection; the store's context has ended.
func (a *admin) close() {
	<-a.turn
	a.drop()
	a.turn <- struct{}{}
}

// ask asks the server for its facts.
func (s *Store) ask(ctx context.Context) (*facts, error) {
	var f facts
	err := s.admin.use(ctx, func(nc net.Conn, br *bufio.Reader) (err error) {
		f, err = ask(nc, br)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("memcached: stats: %w", err)
	}
	s.name(&f)
	s.facts.Store(&f)
	return &f, nil
}

// Health implements backends.Healther. Evicts is always true: a server started
// with -M evicts nothing for new items, but its slab mover still may, and a set
// that it refuses removes what stood there.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	f, err := s.ask(ctx)
	if err != nil {
		return backends.Health{}, err
	}
	h := backends.Health{
		Product: "memcached", Version: f.version, RunID: f.runID,
		Evictions: f.evictions, Evicts: true,
	}
	h.Connections, h.Parked = s.Connections()
	return h, nil
}

// Connections implements backends.Pooled.
func (s *Store) Connections() (open, parked int) {
	open, parked = s.pool.Count()
	more, held := s.slots.count()
	open += more + int(s.scans.Load())
	if s.admin.open.Load() {
		open++
	}
	return open, parked + held
}

var errListed = errors.New("memcached: the server still has the connection")

// Settle ends the doubt about a call that any agent sent on the connection of that
// name (Unknown.Conn) to the server of that run id: it has restarted since, or does
// not list the connection any more. (It was listed before: the greeting, or an
// earlier command, was answered on it. What a server has closed it reads
// nothing from.)
func (s *Store) Settle(ctx context.Context, name, runID string) error {
	var restarted, listed, self bool
	err := s.admin.use(ctx, func(nc net.Conn, br *bufio.Reader) error {
		f, err := ask(nc, br)
		if err != nil {
			return err
		}
		s.name(&f)
		if restarted = runID != "" && f.runID != "" && f.runID != runID; restarted {
			return nil
		}
		own := localName(nc)
		listed, self = false, false
		return stats(nc, br, "stats conns", func(field, value string) {
			_, what, _ := strings.Cut(field, ":")
			if what != "addr" {
				return
			}
			_, peer, _ := strings.Cut(value, ":")
			peer = canonical(peer)
			listed = listed || peer == name
			self = self || peer == own
		})
	})
	switch {
	case err != nil:
		return fmt.Errorf("memcached: settle: %w", err)
	case restarted:
	case name == "" || !self:
		// Behind a proxy or a translated address the list says nothing of us.
		return errors.New("memcached: the server does not list our connections by their addresses")
	case listed:
		return errListed
	}
	s.pool.Drop(name)
	return nil
}

// localName is our address of a connection as the server lists it; empty where
// it has none (a Unix socket).
func localName(nc net.Conn) string {
	if a := nc.LocalAddr(); a != nil && strings.HasPrefix(a.Network(), "tcp") {
		return canonical(a.String())
	}
	return ""
}

// canonical makes one text of the ways to write an address and port.
func canonical(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return ""
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()).String()
}

// Size implements backends.Sizer: curr_items, which counts what has run out and
// was not met yet.
func (s *Store) Size(ctx context.Context) (n int64, err error) {
	err = s.admin.use(ctx, func(nc net.Conn, br *bufio.Reader) error {
		return stats(nc, br, "stats", func(name, value string) {
			if name == "curr_items" {
				items, _ := number([]byte(value))
				n = int64(items)
			}
		})
	})
	if err != nil {
		return 0, fmt.Errorf("memcached: stats: %w", err)
	}
	return n, nil
}
