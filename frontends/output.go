package frontends

import (
	"io"
	"net"
	"sync"
)

// output is what waits to be sent to one client.
type output struct {
	nc    net.Conn
	w     io.Writer // nc, or the socket under it
	o     *Options
	pool  *[]byte // where buf came from
	buf   []byte
	sent  int64 // bytes given to nc
	until patience
	clock
	held bool  // between Hold and Release
	err  error // of the first write that failed
}

var outputs = sync.Pool{New: func() any { b := make([]byte, 0, readBuffer); return &b }}

// keepOutput is the largest buffer that goes back to outputs.
const keepOutput = 64 << 10

// direct is the size from which a value is not copied into the buffer: a copy
// of so much costs more than a second write.
const direct = 32 << 10

// Write appends to the answers. It sends them when more than Options.Output
// wait. An error is kept, and returned by the next read.
func (c *Conn) Write(b []byte) { c.output.write(b) }

// WriteString is Write.
func (c *Conn) WriteString(s string) {
	c.output.open()
	c.output.buf = append(c.output.buf, s...)
	c.output.bound()
}

// Buffer gives the answers that wait, to append to; KeepBuffer takes them back.
func (c *Conn) Buffer() []byte {
	c.output.open()
	return c.output.buf
}

// KeepBuffer takes back what Buffer gave.
func (c *Conn) KeepBuffer(b []byte) {
	c.output.buf = b
	c.output.bound()
}

// Hold begins an answer that Undo can take back, up to Options.Hold bytes of
// it. Release ends it.
func (c *Conn) Hold() (mark int64) {
	c.output.held = true
	return c.output.sent + int64(len(c.output.buf))
}

// Release ends Hold: the answer stands.
func (c *Conn) Release() {
	c.output.held = false
	c.output.bound()
}

// Undo ends Hold and takes back what was written since. It returns false if
// some of that has been sent already.
func (c *Conn) Undo(mark int64) bool {
	c.output.held = false
	if mark < c.output.sent {
		return false
	}
	if c.output.buf != nil {
		c.output.buf = c.output.buf[:mark-c.output.sent]
	}
	return true
}

func (w *output) open() {
	if w.buf == nil {
		w.pool = outputs.Get().(*[]byte)
		w.buf = (*w.pool)[:0]
	}
}

func (w *output) write(b []byte) {
	w.open()
	if len(b) >= direct && !w.held {
		w.flush()
		w.send(b)
		return
	}
	w.buf = append(w.buf, b...)
	w.bound()
}

func (w *output) bound() {
	if limit := w.o.Output; len(w.buf) > limit && (!w.held || len(w.buf) > w.o.Hold) {
		w.flush()
	}
}

func (w *output) flush() error {
	if len(w.buf) > 0 {
		w.send(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}

func (w *output) send(b []byte) {
	if w.err != nil {
		return
	}
	w.sent += int64(len(b))
	if until, ok := w.until.renew(w.now(), w.o.Write); ok {
		w.err = w.nc.SetWriteDeadline(until)
	}
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

// release sends what waits and gives the buffer back.
func (w *output) release() error {
	err := w.flush()
	if w.buf != nil {
		if cap(w.buf) <= keepOutput {
			*w.pool = w.buf
			outputs.Put(w.pool)
		}
		w.buf, w.pool = nil, nil
	}
	return err
}
