package memcached

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	readBuffer = 16 << 10
	spareMax   = 256 << 10 // a write buffer larger than this is not kept
	yieldAt    = 8         // calls in flight from which the writer lets others add theirs first
	turns      = 4         // packets that a caller writes for others before a goroutine takes over
)

// conn is one connection with many calls in flight. Whoever submits a call and
// finds nobody writing writes, also what others add meanwhile; it never waits
// for the socket: what does not fit is left to a goroutine. One more goroutine
// reads the answers, which come in the order of the commands.
//
// A connection is parked while a call whose deadline has passed waits for its
// answer: no new call goes onto it. It comes back when all such answers were
// read.
type conn struct {
	p     *pool
	nc    net.Conn
	br    *bufio.Reader
	write func([]byte) (int, error) // without waiting; nil: not possible
	name  string                    // our address, as the server lists it; may be empty
	runID string

	load   atomic.Int32 // calls in flight
	parked atomic.Bool  // or broken

	// mu guards what follows. No I/O under it, and no other lock; pool.mu may be
	// held.
	mu          sync.Mutex
	out, spare  []byte // not yet written; the buffer to use next
	queued      uint64 // bytes ever put into out
	sent        uint64 // bytes that may have left
	writing     bool
	first, last *call // in flight, in the order of their answers
	late        int   // calls that keep it parked
	err         error // why it is broken
}

var (
	errParked = errors.New("memcached: connection is parked") // submit: choose another one
	errLost   = errors.New("memcached: connection lost")
)

// submit puts the call into the stream. An error means that nothing was sent.
func (cn *conn) submit(c *call) error {
	need := 0
	for i := range c.cmds {
		need += len(c.cmds[i].key) + len(c.cmds[i].data) + overhead
	}
	c.expect()
	cn.mu.Lock()
	switch {
	case cn.err != nil || cn.late > 0:
		cn.mu.Unlock()
		return errParked
	case int(cn.load.Load()) >= cn.p.opts.InFlight,
		len(cn.out) > 0 && len(cn.out)+need > cn.p.opts.Queued:
		cn.mu.Unlock()
		return backends.ErrBusy
	}
	before := len(cn.out)
	for i := range c.cmds {
		cn.out = c.cmds[i].appendTo(cn.out)
		c.cmds[i].data = nil // the caller's: not ours to keep
	}
	c.at, c.size = cn.queued, uint64(len(cn.out)-before)
	cn.queued += c.size
	if cn.last == nil {
		cn.first = c
	} else {
		cn.last.next = c
	}
	cn.last = c
	load := cn.load.Add(1)
	write := !cn.writing
	cn.writing = true
	cn.mu.Unlock()
	if write {
		if load >= yieldAt {
			runtime.Gosched() // others add to the packet: half the system calls at 128 callers
		}
		cn.flush()
	}
	return nil
}

// flush writes until nothing is left. The caller has set writing.
func (cn *conn) flush() {
	for turn := 0; ; turn++ {
		buf := cn.take()
		if len(buf) == 0 {
			return
		}
		if cn.write == nil || turn == turns {
			cn.handOver(buf, 0)
			return
		}
		n, err := cn.write(buf)
		if err != nil {
			cn.fail(err)
			return
		}
		if n < len(buf) {
			cn.handOver(buf, n)
			return
		}
		cn.giveBack(buf)
	}
}

// take gives what is to be written, or ends the writing.
func (cn *conn) take() []byte {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	buf := cn.out
	if len(buf) == 0 || cn.err != nil {
		cn.writing = false
		return nil
	}
	cn.sent = cn.queued // before it is: a call must never be thought unsent that was sent
	cn.out, cn.spare = cn.spare[:0], nil
	return buf
}

func (cn *conn) giveBack(buf []byte) {
	if cap(buf) > spareMax {
		return
	}
	cn.mu.Lock()
	cn.spare = buf[:0]
	cn.mu.Unlock()
}

// handOver lets a goroutine wait for the socket. It ends when all is written
// or the connection is closed.
func (cn *conn) handOver(buf []byte, from int) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.err != nil {
		return
	}
	cn.p.wg.Add(1) // the reader still counts, so nobody has done waiting
	go func() {
		defer cn.p.wg.Done()
		for ; len(buf) > 0; buf, from = cn.take(), 0 {
			if _, err := cn.nc.Write(buf[from:]); err != nil {
				cn.fail(err)
				return
			}
			cn.giveBack(buf)
		}
	}()
}

// wait waits for the answers, not longer than ctx lets it. After an error the
// call is no longer the caller's.
func (cn *conn) wait(ctx context.Context, c *call) error {
	select {
	case <-c.done:
	case <-ctx.Done():
		if err := cn.leave(c, ctx.Err()); err != nil {
			return err
		}
		<-c.done // it came at the same moment
	}
	if err := c.err; err != nil {
		c.free()
		return err
	}
	return nil
}

// leave gives up waiting for c, whose place in the stream stays, so that its
// late answer finds it. What was not sent yet is taken back instead. nil means
// that the answer is there.
func (cn *conn) leave(c *call, cause error) error {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if c.answered {
		return nil
	}
	if c.at >= cn.sent {
		cn.withdraw(c)
		c.free()
		return fmt.Errorf("memcached: not sent: %w", cause)
	}
	c.left = true
	if errors.Is(cause, context.DeadlineExceeded) {
		c.late = true
		cn.late++
		cn.parked.Store(true)
	}
	if !c.changes {
		return fmt.Errorf("memcached: no answer: %w", cause)
	}
	c.unknown = cn.p.unknown(cause, cn.name, cn.runID)
	return c.unknown
}

// withdraw takes an unsent call out of the stream. mu is held.
func (cn *conn) withdraw(c *call) {
	var before *call
	for x := cn.first; x != c; x = x.next {
		before = x
	}
	if before == nil {
		cn.first = c.next
	} else {
		before.next = c.next
	}
	if cn.last == c {
		cn.last = before
	}
	start := c.at - cn.sent
	cn.out = append(cn.out[:start], cn.out[start+c.size:]...)
	cn.queued -= c.size
	for x := c.next; x != nil; x = x.next {
		x.at -= c.size
	}
	cn.load.Add(-1)
}

// fail closes the connection. Its reader then tells all that wait on it.
func (cn *conn) fail(err error) {
	cn.mu.Lock()
	if cn.err == nil {
		cn.err = err
	}
	cn.parked.Store(true)
	cn.mu.Unlock()
	cn.nc.Close()
}

// end tells all that wait on a broken connection. Changes that may have been
// sent become unknown; the doubts of those who left already stay, since the
// server may still have the connection. Only the reader ends a connection:
// nobody else may finish a call whose answer is perhaps being read.
func (cn *conn) end() {
	cn.p.remove(cn)
	cn.mu.Lock()
	c := cn.first
	cn.first, cn.last, cn.out, cn.spare = nil, nil, nil, nil
	for x := c; x != nil; x = x.next {
		x.answered = true
		switch {
		case x.left:
		case x.changes && x.at < cn.sent:
			x.err = cn.p.unknown(lost(cn.err), cn.name, cn.runID)
		default:
			x.err = lost(cn.err)
		}
	}
	cn.mu.Unlock()
	for c != nil {
		next := c.next
		c.next = nil
		if !c.left {
			c.done <- struct{}{}
		}
		c = next
	}
}

// lost says that a connection ended.
func lost(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return errLost
	case errors.As(err, &op):
		return fmt.Errorf("%w: %w", errLost, op.Err)
	}
	return err // ours
}

// idle tells whether the connection can be closed without leaving a doubt: all
// that waits on it are reads that nobody waits for.
func (cn *conn) idle() bool {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	for c := cn.first; c != nil; c = c.next {
		if c.changes || !c.left {
			return false
		}
	}
	return true
}
