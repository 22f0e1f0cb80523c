package frontends

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends/socket"
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

// readBuffer is what a connection has while it is not at rest. Values up to it are handed to
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
	in     *bufio.Reader // reads through Conn.fill; of input; nil at rest
	input  *input
	socket *socket.Socket        // of nc, where it waits without an input
	try    func(fd uintptr) bool // with which it waits: see waitBare
	tried  error                 // what the last try came to
	output output
	long   []byte   // a line that outgrew the buffer
	bulk   *[]byte  // from bulks while in use
	timed  bool     // the deadline of this command is set
	idle   patience // the deadline of a rest
	fills  int      // reads from nc so far
	began  time.Time
	locks  int       // granted to this client and not released
	held   time.Time // when the last of them runs out

	mu       sync.Mutex
	resting  bool // guarded by mu: waiting for the first byte of a command
	stopping bool // guarded by mu: see leaving
}

// Locked tells that the client was granted a lock for ttl (0: it named none).
// While it holds one, Shutdown lets it go on.
func (c *Conn) Locked(ttl time.Duration) {
	c.locks++
	if end := time.Now().Add(cmp.Or(ttl, c.Options.Command)); end.After(c.held) {
		c.held = end
	}
}

// Unlocked is the reverse of Locked.
func (c *Conn) Unlocked() { c.locks = max(0, c.locks-1) }

// leaving tells whether the client may send no further command: the server
// stops, and this is no request that has just begun. (A request of PHP's is a
// connection of several commands, with the page in between.) until is when it
// may send none. The caller holds mu.
func (c *Conn) leaving(now time.Time) (until time.Time, leaving bool) {
	if !c.stopping {
		return time.Time{}, false
	}
	until = c.began.Add(c.Options.Young)
	if c.locks > 0 && c.held.After(until) {
		until = c.held // or Shutdown's context, if that is first
	}
	return until, !until.After(now)
}

func newConn(nc net.Conn, number uint64, o *Options) *Conn {
	c := &Conn{Options: o, Number: number, nc: nc, began: time.Now()}
	c.output = output{nc: nc, w: nc, o: o, clock: clock{c.began}}
	if !c.waitBare() {
		c.input = &input{conn: c}
		c.input.buf = bufio.NewReaderSize(c.input, readBuffer)
		c.in = c.input.buf
		return c
	}
	c.output.w = c.socket
	return c
}

// fill reads from the client. Whenever that is needed, no whole command is
// left in the buffer, and what was answered goes out first.
func (c *Conn) fill(p []byte) (int, error) {
	if err := c.output.flush(); err != nil {
		return 0, err
	}
	if !c.timed {
		c.timed, c.idle = true, patience{}
		if err := c.nc.SetReadDeadline(time.Now().Add(c.Options.Command)); err != nil {
			return 0, err
		}
	}
	c.fills++
	if c.socket != nil {
		return c.socket.Read(p)
	}
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
	now := c.output.now()
	until, leaving := c.leaving(now)
	if leaving {
		c.mu.Unlock()
		return ErrQuit
	}
	// Under mu, so that stop cannot set its deadline in between and lose it.
	var err error
	if idle, ok := c.idle.renew(now, c.Options.Idle); !until.IsZero() {
		err = c.nc.SetReadDeadline(until)
	} else if ok {
		err = c.nc.SetReadDeadline(idle)
	}
	c.resting = true
	c.mu.Unlock()
	if err != nil {
		return err
	}
	c.timed = true
	err = c.await()
	c.mu.Lock()
	c.resting = false
	c.mu.Unlock()
	return err
}

// stop lets the connection end after the request that is under way.
func (c *Conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.resting { // then its goroutine stands in rest, and leaves locks alone
		until, _ := c.leaving(time.Now())
		c.nc.SetReadDeadline(until) // its error is the end of the wait as well
	}
}

func (c *Conn) isLeaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, leaving := c.leaving(c.output.now())
	return leaving
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
