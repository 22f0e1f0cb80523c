package socket

import (
	"syscall"
	"unsafe"
)

const direct = true

// ReadNow reads what is there, and never waits: ErrNothing. p is not empty, fd a
// socket in non-blocking mode, as all of package net's are.
func ReadNow(fd uintptr, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if e != syscall.EINTR {
			return result(int(n), e, true)
		}
	}
}

func writeNow(fd uintptr, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if e != syscall.EINTR {
			return result(int(n), e, false)
		}
	}
}
