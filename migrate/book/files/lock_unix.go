//go:build unix

package files

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes a lock that ends with the process, also while it is stopped.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
