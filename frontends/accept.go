package frontends

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

const (
	firstPause = 5 * time.Millisecond
	longPause  = time.Second
)

// accept calls fn for each connection, until the server stops or ctx ends
// (nil), or the listener is broken. Want of file descriptors or memory passes:
// it waits, and goes on.
func (s *Server) accept(ctx context.Context, l net.Listener, fn func(net.Conn)) error {
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		if err == nil {
			pause = 0
			fn(nc)
			continue
		}
		select {
		case <-s.quit:
			return nil
		case <-ctx.Done():
			return nil
		default:
		}
		if !passing(err) {
			return err
		}
		if pause == 0 {
			pause = firstPause
			s.o.Log.Warn("accepting connections fails, and goes on when it can: see the limit of open files", "error", err)
		} else {
			pause = min(2*pause, longPause)
		}
		select {
		case <-time.After(pause):
		case <-s.quit:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// passing tells whether accepting may work again (accept(2), "Errors").
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED,
		syscall.ECONNRESET, syscall.EINTR, syscall.EPROTO, syscall.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
