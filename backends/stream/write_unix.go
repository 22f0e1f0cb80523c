//go:build unix

package stream

import (
	"net"
	"syscall"
)

// nonBlocking gives a way to write what fits into the socket at once. It is
// nil where the connection is not a socket of ours (TLS, a pipe).
func nonBlocking(nc net.Conn) func(b []byte) (int, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	var (
		buf  []byte
		n    int
		werr error
	)
	try := func(fd uintptr) bool { // made once: a closure for each write would be an allocation for each
		for {
			n, werr = syscall.Write(int(fd), buf)
			if werr != syscall.EINTR {
				return true
			}
		}
	}
	return func(b []byte) (int, error) {
		buf = b
		err := raw.Write(try)
		buf = nil
		switch {
		case err != nil:
			return 0, err
		case werr == syscall.EAGAIN:
			return 0, nil
		case werr != nil:
			return 0, werr
		}
		return n, nil
	}
}
