package frontends

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// ErrLine is returned by Conn.Line for a line longer than Options.Line. Where
// the next command begins is not known then.
var ErrLine = errors.New("frontends: line too long")

// ErrQuit ends a connection after its answers were sent: what a handler
// returns when the client said so.
var ErrQuit = errors.New("frontends: the client said goodbye")

// ErrFraming ends a connection after its answers were sent: what a handler
// returns when it cannot tell where the next command begins.
var ErrFraming = errors.New("frontends: framing lost")

// readBuffer is what a connection has at rest. Values up to it are handed to
// Sessions where they were read.
const readBuffer = 4 << 10

// Conn is one client's connection, as its handler sees it. It is used by the
// one goroutine that runs the handler.
type Conn struct {
	// Options of the server, with defaults filled in.
	Options *Options
	// Number of the connection: kinds.Owner's Conn.
	Number uint64

	nc     net.Conn
	in     *bufio.Reader // reads through Conn.fill
	output output
	long   []byte  // a line that outgrew the buffer
	bulk   *[]byte // from bulks while in use
	timed  bool    // the deadline of this command is set
	fills  int     // reads from nc so far

	mu       sync.Mutex
	resting  bool // guarded by mu: waiting for the first byte of a command
	stopping bool // guarded by mu: no further command
}

// filler keeps Read out of Conn's own methods.
type filler struct{ c *Conn }

func (f filler) Read(p []byte) (int, error) { return f.c.fill(p) }

func newConn(nc net.Conn, number uint64, o *Options) *Conn {
	c := &Conn{Options: o, Number: number, nc: nc, output: output{nc: nc, o: o}}
	c.in = bufio.NewReaderSize(filler{c}, readBuffer)
	return c
}

// fill reads from the client. Whenever that is needed, no whole command is
// left in the buffer, and what was answered goes out first.
func (c *Conn) fill(p []byte) (int, error) {
	if err := c.output.flush(); err != nil {
		return 0, err
	}
	if !c.timed {
		c.timed = true
		if err := c.nc.SetReadDeadline(time.Now().Add(c.Options.Command)); err != nil {
			return 0, err
		}
	}
	c.fills++
	return c.nc.Read(p)
}

// rest waits for the first byte of the next command. It gives back what only
// commands need.
func (c *Conn) rest() error {
	if err := c.output.release(); err != nil {
		return err
	}
	c.long = nil
	if c.bulk != nil {
		bulks.Put(c.bulk)
		c.bulk = nil
	}
	c.mu.Lock()
	if c.stopping {
		c.mu.Unlock()
		return ErrQuit
	}
	idle := time.Time{}
	if c.Options.Idle > 0 {
		idle = time.Now().Add(c.Options.Idle)
	}
	// Under mu, so that stop cannot set its deadline in between and lose it.
	err := c.nc.SetReadDeadline(idle)
	c.resting = true
	c.mu.Unlock()
	if err != nil {
		return err
	}
	c.timed = true
	_, err = c.in.Peek(1)
	c.mu.Lock()
	c.resting = false
	c.mu.Unlock()
	return err
}

// stop lets the connection end after the commands that have arrived.
func (c *Conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.resting {
		c.nc.SetReadDeadline(time.Unix(1, 0)) // its error is the end of the wait as well
	}
}

func (c *Conn) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

// First is the first byte of the command, which stays unread.
func (c *Conn) First() (byte, error) {
	b, err := c.in.Peek(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// Line reads up to and with the next LF. It is valid until the next read.
func (c *Conn) Line() ([]byte, error) {
	b, err := c.in.ReadSlice('\n')
	if err == nil && len(b) <= c.Options.Line {
		return b, nil
	}
	c.long = c.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) && len(c.long)+len(b) <= c.Options.Line {
		c.long = append(c.long, b...)
		b, err = c.in.ReadSlice('\n')
	}
	if (err == nil || errors.Is(err, bufio.ErrBufferFull)) && len(c.long)+len(b) > c.Options.Line {
		return nil, ErrLine
	}
	if err != nil {
		return nil, err
	}
	c.long = append(c.long, b...)
	return c.long, nil
}

// Bytes reads n bytes. They are valid until the next read.
func (c *Conn) Bytes(n int) ([]byte, error) {
	if n <= c.in.Size() {
		b, err := c.in.Peek(n)
		if err != nil {
			return nil, err
		}
		c.in.Discard(n) // cannot fail: they are buffered
		return b, nil
	}
	b, err := c.Append(c.Bulk(), n)
	c.KeepBulk(b)
	return b, err
}

// Append reads n bytes onto the end of dst. Memory grows with what has come,
// not with what was announced.
func (c *Conn) Append(dst []byte, n int) ([]byte, error) {
	for n > 0 {
		step := min(n, max(readBuffer, len(dst)))
		at := len(dst)
		if cap(dst)-at < step { // twice as much: append would copy more often
			dst = append(make([]byte, 0, max(2*cap(dst), at+step)), dst...)
		}
		if _, err := io.ReadFull(c.in, dst[at:at+step]); err != nil {
			return dst, err
		}
		dst, n = dst[:at+step], n-step
	}
	return dst, nil
}

// Discard reads n bytes away.
func (c *Conn) Discard(n int) error {
	_, err := c.in.Discard(n)
	return err
}

// bulks holds buffers for values that outgrow the connection's own, and for
// arguments of Redis commands.
var bulks = sync.Pool{New: func() any { return new([]byte) }}

// Bulk is an empty buffer that the connection has until it rests.
func (c *Conn) Bulk() []byte {
	if c.bulk == nil {
		c.bulk = bulks.Get().(*[]byte)
	}
	return (*c.bulk)[:0]
}

// KeepBulk gives back what became of Bulk.
func (c *Conn) KeepBulk(b []byte) { *c.bulk = b }
