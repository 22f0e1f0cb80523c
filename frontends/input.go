package frontends

import (
	"bufio"
	"sync"

	"github.com/seed-41165957/crossfade/backends/socket"
)

// input is what a connection reads its commands with. One at rest has none,
// where it can wait without: it would be half of the memory that a resting
// client costs.
type input struct {
	buf  *bufio.Reader // reads through Read
	conn *Conn         // nil while the connection is at rest
	fd   uintptr       // of the connection at rest
}

var inputs = sync.Pool{New: func() any {
	in := &input{}
	in.buf = bufio.NewReaderSize(in, readBuffer)
	return in
}}

// Read implements io.Reader for buf alone.
func (in *input) Read(p []byte) (int, error) {
	if in.conn != nil {
		return in.conn.fill(p)
	}
	return socket.ReadNow(in.fd, p)
}

// take gives the connection an input, with what is there to be read now. The
// error is socket.ErrNothing where that is nothing.
func (c *Conn) take(fd uintptr) error {
	in := inputs.Get().(*input)
	in.fd = fd
	if _, err := in.buf.Peek(1); err != nil {
		inputs.Put(in)
		return err
	}
	in.conn = c
	c.input, c.in = in, in.buf
	c.fills++
	return nil
}

// give takes the input away; nothing is buffered.
func (c *Conn) give() {
	if c.input != nil {
		c.input.conn = nil
		inputs.Put(c.input)
		c.input, c.in = nil, nil
	}
}

// await waits for the first byte of a command.
func (c *Conn) await() error {
	if c.socket == nil {
		_, err := c.in.Peek(1)
		return err
	}
	c.give()
	if err := c.socket.Raw().Read(c.try); err != nil {
		return err
	}
	return c.tried
}

// waitBare lets the connection wait without an input, where its socket can be
// read as it is: not through TLS, and not a pipe.
func (c *Conn) waitBare() bool {
	if c.socket = socket.Of(c.nc); c.socket == nil {
		return false
	}
	c.try = func(fd uintptr) bool { // made once: a closure for each rest would be an allocation for each
		c.tried = c.take(fd)
		return c.tried != socket.ErrNothing // else it is called again when something has come
	}
	return true
}
