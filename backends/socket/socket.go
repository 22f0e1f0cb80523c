// Package socket reads and writes the sockets of the busiest paths: those to
// clients, and those to stores. It promises what net.Conn does, deadlines too,
// for less.
//
//	s := socket.Of(nc) // nil: TLS, a pipe, another system
//	n, err := s.Read(buf)
//
// A system call on a socket that never blocks needs no help of Go's scheduler.
// net.Conn announces each one all the same, and the announcement wakes a thread
// that looks after calls which block (runtime.sysmon), which then looks twenty
// times in a millisecond: at some thousand requests a second a third of the
// processor time, and most of the switches between threads. Here the call is
// made unannounced, and the wait for the socket is net's own.
package socket

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// ErrNothing is returned where the socket has nothing to read, or no room.
var ErrNothing error = syscall.EAGAIN

// Socket is a connection of which one goroutine reads and one writes at a time.
type Socket struct {
	raw     syscall.RawConn
	in, out transfer
}

// transfer is one direction. Its function is made once: a closure for each call
// would be an allocation for each.
type transfer struct {
	try func(fd uintptr) bool
	buf []byte
	n   int
	err error
	now bool // what cannot be done at once is not waited for
}

// Of gives the socket under a connection, or nil where there is none that can be
// used as it is. The connection stays the caller's: deadlines are set on it, and
// it is what is closed.
func Of(nc net.Conn) *Socket {
	sc, ok := nc.(syscall.Conn) // tls.Conn is none: its bytes are not the socket's
	if !ok || !direct {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &Socket{raw: raw}
	s.in.try = func(fd uintptr) bool {
		s.in.n, s.in.err = ReadNow(fd, s.in.buf)
		return s.in.now || s.in.err != ErrNothing // false: it is called again once there is something
	}
	s.out.try = func(fd uintptr) bool {
		for len(s.out.buf) > 0 {
			n, err := writeNow(fd, s.out.buf)
			if err != nil {
				s.out.err = err
				return s.out.now || err != ErrNothing
			}
			s.out.n += n
			s.out.buf = s.out.buf[n:]
		}
		s.out.err = nil
		return true
	}
	return s
}

// Raw is for who has a function of his own to wait with, and ReadNow in it.
func (s *Socket) Raw() syscall.RawConn { return s.raw }

// Read implements io.Reader.
func (s *Socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.in.buf = p
	err := s.raw.Read(s.in.try)
	s.in.buf = nil
	if err != nil {
		return 0, err
	}
	return s.in.n, s.in.err
}

// Write implements io.Writer: all of b, or an error.
func (s *Socket) Write(b []byte) (int, error) { return s.write(b, false) }

// WriteNow writes what fits into the socket's buffer. Where that is not all of
// b there is no error, and n says how much.
func (s *Socket) WriteNow(b []byte) (n int, err error) {
	n, err = s.write(b, true)
	if errors.Is(err, ErrNothing) {
		err = nil
	}
	return n, err
}

func (s *Socket) write(b []byte, now bool) (int, error) {
	s.out.buf, s.out.n, s.out.err, s.out.now = b, 0, nil, now
	err := s.raw.Write(s.out.try)
	s.out.buf = nil
	if err == nil {
		err = s.out.err
	}
	return s.out.n, err
}

// result is a system call's, as io has it.
func result(n int, e syscall.Errno, reads bool) (int, error) {
	switch {
	case e != 0:
		return 0, e
	case n == 0 && reads:
		return 0, io.EOF
	}
	return n, nil
}
