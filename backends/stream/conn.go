package stream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/socket"
)

const (
	spareMax = 256 << 10 // a write buffer larger than this is not kept
	turns    = 4         // packets that a caller writes for others before a goroutine takes over
)

// Conn is one connection with many calls in flight. Whoever submits a call and
// finds nobody writing writes, also what others add meanwhile; it never waits
// for the socket: what does not fit is left to a goroutine. One more goroutine
// reads the answers, which come in the order of the commands.
//
// A connection is parked while a call whose deadline has passed waits for its
// answer: no new call goes onto it. It comes back when all such answers were
// read.
type Conn struct {
	p     *Pool
	nc    net.Conn
	br    *bufio.Reader
	sock  *socket.Socket // of nc; nil: not possible
	name  string         // by which the server knows it; may be empty
	runID string

	load   atomic.Int32 // calls in flight
	parked atomic.Bool  // or broken, or retired

	// mu guards what follows. No I/O under it, and no other lock; Pool.mu may be
	// held.
	mu          sync.Mutex
	out, spare  []byte // not yet written; the buffer to use next
	queued      uint64 // bytes ever put into out
	sent        uint64 // bytes that may have left
	writing     bool
	first, last *Flight // in flight, in the order of their answers
	late        int     // calls that keep it parked
	retired     bool    // it ends when nothing is in flight
	err         error   // why it is broken
	alarm       alarm
}

// NewConn is a connection that was dialled and greeted. name and runID are what
// an Unknown names it by.
func NewConn(nc net.Conn, br *bufio.Reader, name, runID string) *Conn {
	cn := &Conn{nc: nc, br: br, sock: socket.Of(nc), name: name, runID: runID}
	if cn.sock != nil && br.Buffered() == 0 {
		br.Reset(cn.sock)
	}
	return cn
}

// Name is what NewConn was told.
func (cn *Conn) Name() string { return cn.name }

// Local is our address.
func (cn *Conn) Local() net.Addr { return cn.nc.LocalAddr() }

// Load is how many calls are in flight.
func (cn *Conn) Load() int { return int(cn.load.Load()) }

// Waiting is how much memory waits to be written.
func (cn *Conn) Waiting() int {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	return cap(cn.out)
}

var (
	errParked = errors.New("backends: connection is parked") // submit: choose another one

	// ErrLost is the error of a call whose connection has ended.
	ErrLost = errors.New("backends: connection lost")
	// ErrRetire is what Call.Read returns where the connection is in step, and
	// the server is not one to ask again.
	ErrRetire = errors.New("backends: the connection is not used again")
	// ErrProtocol is an answer to something else than was asked: from there on
	// nobody knows whose answer is whose.
	ErrProtocol = errors.New("backends: unexpected answer")
)

// submit puts the call into the stream. An error means that nothing was sent.
func (cn *Conn) submit(ctx context.Context, c Call) error {
	f, need := c.Flight(), c.Size()
	u, timed := ctx.(*backends.Until)
	cn.mu.Lock()
	switch {
	case cn.err != nil || cn.late > 0 || cn.retired:
		cn.mu.Unlock()
		return errParked
	case int(cn.load.Load()) >= cn.p.InFlight,
		len(cn.out) > 0 && len(cn.out)+need > cn.p.Queued:
		cn.mu.Unlock()
		return backends.ErrBusy
	}
	if timed {
		f.deadline, _ = u.Deadline()
		cn.alarm.set(cn, f.deadline)
	}
	f.changes = c.Changes()
	before := len(cn.out)
	cn.out = c.AppendTo(cn.out)
	f.at, f.size = cn.queued, uint64(len(cn.out)-before)
	cn.queued += f.size
	if cn.last == nil {
		cn.first = f
	} else {
		cn.last.next = f
	}
	cn.last = f
	cn.load.Add(1)
	write := !cn.writing
	cn.writing = true
	cn.mu.Unlock()
	if write {
		cn.flush()
	}
	return nil
}

// wait waits for the answers, not longer than ctx lets it. After an error the
// call is no longer the caller's.
func (cn *Conn) wait(ctx context.Context, c Call) error {
	f := c.Flight()
	end := ctx.Done
	if u, timed := ctx.(*backends.Until); timed { // the alarm knows the moment
		end = u.Base().Done
	}
	select {
	case err := <-f.done:
		return err
	case <-end():
	}
	cn.mu.Lock()
	err := cn.leave(f, ctx.Err())
	cn.mu.Unlock()
	if err == nil {
		err = <-f.done // it came at the same moment
	}
	return err
}

// leave gives up waiting for f, whose place in the stream stays, so that its
// late answer finds it. What was not sent yet is taken back instead. nil means
// that done has, or is about to get, its value. The caller holds mu.
func (cn *Conn) leave(f *Flight, cause error) error {
	if f.answered || f.woken {
		return nil
	}
	if f.at >= cn.sent {
		cn.withdraw(f)
		return fmt.Errorf("%s: not sent: %w", cn.p.Product, cause)
	}
	f.left = true
	if errors.Is(cause, context.DeadlineExceeded) {
		f.late = true
		cn.late++
		cn.parked.Store(true)
	}
	if !f.changes {
		return fmt.Errorf("%s: no answer: %w", cn.p.Product, cause)
	}
	f.unknown = cn.p.Unknown(cause, cn.name, cn.runID)
	return f.unknown
}

// withdraw takes an unsent call out of the stream. mu is held.
func (cn *Conn) withdraw(f *Flight) {
	var before *Flight
	for x := cn.first; x != f; x = x.next {
		before = x
	}
	if before == nil {
		cn.first = f.next
	} else {
		before.next = f.next
	}
	if cn.last == f {
		cn.last = before
	}
	start := f.at - cn.sent
	cn.out = append(cn.out[:start], cn.out[start+f.size:]...)
	cn.queued -= f.size
	for x := f.next; x != nil; x = x.next {
		x.at -= f.size
	}
	cn.load.Add(-1)
}

// Fail closes the connection. Its reader then tells all that wait on it.
func (cn *Conn) Fail(err error) {
	cn.mu.Lock()
	if cn.err == nil {
		cn.err = err
	}
	cn.parked.Store(true)
	cn.mu.Unlock()
	cn.nc.Close()
}

// retire lets the connection end when nothing is in flight on it.
func (cn *Conn) retire() {
	cn.mu.Lock()
	cn.retired = true
	cn.parked.Store(true)
	idle := cn.first == nil
	cn.mu.Unlock()
	if idle {
		cn.Fail(ErrLost)
	}
}

// end tells all that wait on a broken connection. Changes that may have been
// sent become unknown; the doubts of those who left already stay, since the
// server may still have the connection. Only the reader ends a connection:
// nobody else may finish a call whose answer is perhaps being read.
func (cn *Conn) end() {
	cn.p.remove(cn)
	cn.mu.Lock()
	f := cn.first
	cn.first, cn.last, cn.out, cn.spare = nil, nil, nil, nil
	cn.alarm.stop()
	for x := f; x != nil; {
		next := x.next
		x.next, x.answered = nil, true
		switch {
		case x.left:
		case x.changes && x.at < cn.sent:
			x.done <- cn.p.Unknown(Lost(cn.err), cn.name, cn.runID)
		default:
			x.done <- Lost(cn.err)
		}
		x = next
	}
	cn.mu.Unlock()
}

// Lost is what an error of a connection is called: that it has ended, and why.
func Lost(err error) error {
	var op *net.OpError
	var no syscall.Errno
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return ErrLost
	case errors.As(err, &op):
		return fmt.Errorf("%w: %w", ErrLost, op.Err)
	case errors.As(err, &no):
		return fmt.Errorf("%w: %w", ErrLost, no)
	}
	return err // ours
}

// holds counts the changes, and the calls that somebody waits for, that are in
// flight: without any the connection can be closed, and leaves no doubt. left
// are the changes that nobody waits for any more.
func (cn *Conn) holds() (n, left int) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	for f := cn.first; f != nil; f = f.next {
		if f.changes || !f.left {
			n++
		}
		if f.changes && f.left {
			left++
		}
	}
	return n, left
}

// alarm wakes those whose deadline has come. One timer does for all calls of a
// connection, and is set about once in the time that a call may take: a later
// deadline than the one it stands at moves nothing.
type alarm struct {
	timer *time.Timer
	at    time.Time // zero: it does not stand
}

// set makes the alarm go off at a moment, if not before. The connection's mu is
// held.
func (a *alarm) set(cn *Conn, at time.Time) {
	if !a.at.IsZero() && !at.Before(a.at) {
		return
	}
	a.at = at
	if a.timer == nil {
		a.timer = time.AfterFunc(time.Until(at), cn.ring)
		return
	}
	a.timer.Reset(time.Until(at))
}

func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// ring has everybody leave whose deadline has come.
func (cn *Conn) ring() {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	now := time.Now()
	cn.alarm.at = time.Time{}
	var next *Flight
	var least time.Time
	for f := cn.first; f != nil; f = next {
		next = f.next // a call that is taken back has none
		switch {
		case f.deadline.IsZero(), f.answered, f.left:
		case !now.Before(f.deadline):
			if err := cn.leave(f, context.DeadlineExceeded); err != nil {
				f.woken = true
				f.done <- err
			}
		case least.IsZero() || f.deadline.Before(least):
			least = f.deadline
		}
	}
	if !least.IsZero() && cn.err == nil {
		cn.alarm.set(cn, least)
	}
}
