package mysql

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// line is one connection, and the goroutine that talks on it. The goroutine is
// what lets a caller leave at its deadline: it stays with the connection until
// the late answer was read. A line makes one connection in its life, so the
// server's id for it is known and stays true.
type line struct {
	pool *pool
	conn *conn
	sock atomic.Pointer[socket]
	used time.Time

	work chan func(*conn) error
	done chan error // cap 1: the result of work, unless the caller has left
	quit chan struct{}
	once sync.Once // closes quit

	state atomic.Int32
	left  *backends.Unknown // set before state becomes callerLeft
}

const (
	running int32 = iota
	answered
	callerLeft
)

// socket notes whether something was written.
type socket struct {
	net.Conn
	wrote atomic.Bool
}

func (s *socket) Write(b []byte) (int, error) {
	s.wrote.Store(true)
	return s.Conn.Write(b)
}

// SyscallConn lets alive look at the socket.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	sc, ok := s.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return sc.SyscallConn()
}

// openLine makes a line and begins its goroutine, which the pool waits for.
// The caller holds a token of the pool.
func (p *pool) openLine(ctx context.Context) (*line, error) {
	l := &line{
		pool: p,
		work: make(chan func(*conn) error),
		done: make(chan error, 1),
		quit: make(chan struct{}),
	}
	if !p.add(l) {
		return nil, backends.ErrClosed
	}
	opened := make(chan error, 1)
	go func() {
		defer p.remove(l)
		c, err := p.host.greet(p.kind, func(s *socket) {
			l.sock.Store(s)
			select {
			case <-l.quit:
				s.Close()
			default:
			}
		})
		if err == nil {
			l.conn, l.used = c, time.Now()
			defer c.drv.Close()
		}
		opened <- err
		if err == nil {
			l.run()
		}
	}()
	// Nothing was sent that matters, so a line that is late is given up.
	late := time.NewTimer(2 * p.host.store.opts.DialTimeout)
	defer late.Stop()
	select {
	case err := <-opened:
		if err != nil {
			return nil, &connectError{p.host.store.plain("connect", err)}
		}
		return l, nil
	case <-late.C:
		l.stop()
		return nil, &connectError{timeoutError("connect")}
	case <-ctx.Done():
		l.stop()
		return nil, ctx.Err()
	}
}

// run does what callers ask until the line is stopped or broken.
func (l *line) run() {
	for {
		select {
		case <-l.quit:
			return
		case f := <-l.work:
			err := f(l.conn)
			if l.state.CompareAndSwap(running, answered) {
				l.done <- err
				continue
			}
			if !l.late(err) {
				return
			}
		}
	}
}

// late ends a call that nobody waits for any more. It tells whether the line
// can go on.
func (l *line) late(err error) bool {
	u := l.left
	l.left = nil
	l.pool.parked.Add(-1)
	arrives := doubtful(err) && l.conn.server.galera != "" // through another node
	if err == nil || isReply(err) && !arrives || !l.sock.Load().wrote.Load() {
		u.Resolve()
	}
	if err != nil && (!isReply(err) || spoils(err)) {
		l.pool.drop(l)
		return false
	}
	l.pool.put(l)
	return true
}

// stop closes the connection and ends the goroutine.
func (l *line) stop() {
	l.once.Do(func() { close(l.quit) })
	if s := l.sock.Load(); s != nil {
		s.Close()
	}
}

// alive looks whether the server has closed an idle connection: a change sent
// on it would have an unknown outcome for nothing.
func (l *line) alive() bool {
	if time.Since(l.used) < 10*time.Millisecond {
		return true
	}
	raw, err := l.sock.Load().SyscallConn()
	if err != nil {
		return errors.Is(err, errors.ErrUnsupported)
	}
	var b [1]byte
	var peek error
	err = raw.Read(func(fd uintptr) bool {
		_, _, peek = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && (peek == syscall.EAGAIN || peek == syscall.EWOULDBLOCK) // unasked bytes are no good sign either
}

// do runs f on the line. usable tells whether the caller still owns the line
// and may use it again; if it is false, the line takes care of itself.
//
// The error is nil, an answer of the server, an Unknown, or another error,
// after which nothing was changed. With harmless set, f changes nothing: then
// the connection is closed at the deadline, not parked.
func (l *line) do(ctx context.Context, op string, harmless bool, f func(*conn) error) (usable bool, err error) {
	l.state.Store(running)
	l.sock.Load().wrote.Store(false)
	select {
	case l.work <- f:
	case <-l.quit:
		l.pool.release()
		return false, backends.ErrClosed
	}
	select {
	case err = <-l.done:
		return l.answer(op, harmless, err)
	case <-ctx.Done():
	}
	cause := ctx.Err()
	l.left = l.unknown(cause)
	u := l.left
	l.pool.parked.Add(1)
	if !l.state.CompareAndSwap(running, callerLeft) {
		l.left = nil
		l.pool.parked.Add(-1)
		return l.answer(op, harmless, <-l.done)
	}
	// From here on the line is its goroutine's.
	l.pool.host.store.suspect()
	if harmless {
		l.stop()
		return false, cause
	}
	return false, u
}

func (l *line) answer(op string, harmless bool, err error) (usable bool, _ error) {
	s := l.pool.host.store
	switch {
	case err == nil:
		l.used = time.Now()
		return true, nil
	case !isReply(err):
		wrote := l.sock.Load().wrote.Load()
		l.pool.drop(l)
		if harmless || !wrote {
			return false, &lostError{s.plain(op, err)}
		}
		return false, l.unknown(s.plain(op, err))
	case doubtful(err) && !harmless:
		u := l.unknown(s.reply(op, err))
		l.pool.drop(l)
		if l.conn.server.galera == "" {
			u.Resolve() // the server has answered: nothing comes later
		}
		return false, u
	case spoils(err):
		l.pool.drop(l)
		return false, err
	}
	l.used = time.Now()
	return true, err
}

func (l *line) unknown(cause error) *backends.Unknown {
	s, id, runID := l.pool.host.store, "id:"+strconv.FormatInt(l.conn.id, 10), l.conn.server.runID()
	return backends.NewUnknown(cause, id, runID, func(ctx context.Context) error {
		return s.Settle(ctx, id, runID)
	})
}
