//go:build unix

package frontends

import (
	"io"
	"syscall"
)

const canReadNow = true

var errNothing error = syscall.EAGAIN

// readNow reads what is there, and never waits.
func readNow(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
