//go:build !386 && !s390x

package socket

import (
	"syscall"
	"unsafe"
)

const direct = true

// recv and send rather than read and write: these two go through the layer of
// files first, with its permissions and notifications.

// ReadNow reads what is there, and never waits: ErrNothing. p is not empty, fd a
// socket in non-blocking mode, as all of package net's are.
func ReadNow(fd uintptr, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0)
		if e != syscall.EINTR {
			return result(int(n), e, true)
		}
	}
}

func writeNow(fd uintptr, p []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		if e != syscall.EINTR {
			return result(int(n), e, false)
		}
	}
}
