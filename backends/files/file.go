package files

import (
	"golang.org/x/sys/unix"
)

// maxRead bounds what is read: a session that PHP wrote may be larger than what
// the store takes.
const maxRead = 16 << 20

// file is a session's file, open and flocked for one attempt. A nil *file is one
// that is not there.
type file struct {
	fd   int
	kept bool // the descriptor belongs to a lock, and stays open
	st   unix.Stat_t
}

func (f *file) close() {
	if f != nil && !f.kept {
		unix.Close(f.fd) // and with it goes the flock
	}
}

// find opens and flocks the session's file: how is LOCK_EX for a change,
// LOCK_SH for a look (which a read-only filesystem allows). It gives nil
// where there is none, and errHeld where somebody else has the flock. Where this
// process holds the session's lock, the flock is that of the lock.
//
// PHP unlinks without a flock (its collector), or after giving it back
// (session_destroy), so the name is looked up again once the flock is there.
func (s *Store) find(p place, how int) (*file, error) {
	mode := unix.O_RDWR
	if how == unix.LOCK_SH {
		mode = unix.O_RDONLY
	}
	for range 100 {
		f, err := s.openFile(p, mode)
		if f == nil || err != nil {
			return nil, err
		}
		h := s.holder(p.id)
		if h != nil && h.ino == f.st.Ino {
			unix.Close(f.fd)
			f.fd, f.kept = h.fd, true
			return f, nil
		}
		if err := flock(f.fd, how); err != nil {
			f.close()
			return nil, err
		}
		same, err := f.again(p)
		switch {
		case err != nil:
			f.close()
			return nil, failed("look at a session", err)
		case same && h != nil && mode == unix.O_RDWR:
			h.adopt(f) // somebody put another file there under our lock
			return f, nil
		case same:
			return f, nil
		}
		f.close()
	}
	return nil, errHeld // files come and go
}

// openFile opens without the flock. O_NONBLOCK: a pipe in place of a file must
// not stop us.
func (s *Store) openFile(p place, mode int) (f *file, err error) {
	f = &file{}
	err = retry(func() (err error) {
		f.fd, err = unix.Openat(p.dir, p.path, mode|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		return err
	})
	if err == unix.ENOENT {
		return nil, nil
	}
	if err != nil {
		return nil, failed("open a session", err)
	}
	if err = unix.Fstat(f.fd, &f.st); err != nil {
		err = failed("look at a session", err)
	} else if f.st.Mode&unix.S_IFMT != unix.S_IFREG || !p.own && !s.owner.mayUse(&f.st) {
		err = errForeign
	}
	if err != nil {
		unix.Close(f.fd)
		return nil, err
	}
	return f, nil
}

// again looks whether the name still leads to the file, and what it is now.
func (f *file) again(p place) (same bool, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(p.dir, p.path, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT || err == nil && (st.Ino != f.st.Ino || st.Dev != f.st.Dev) {
		return false, nil
	}
	f.st = st
	return err == nil, err
}

// stat looks at the file anew, after a change.
func (f *file) stat() error {
	if err := unix.Fstat(f.fd, &f.st); err != nil {
		return failed("look at a session", err)
	}
	return nil
}

// read gives the whole content.
func (f *file) read() ([]byte, error) {
	if f.st.Size > maxRead {
		return nil, errHuge
	}
	b, err := readAll(f.fd, int(f.st.Size))
	if err != nil {
		return nil, failed("read a session", err)
	}
	return b, nil
}

func readAll(fd, size int) ([]byte, error) {
	b := make([]byte, size)
	for done := 0; done < len(b); {
		n := 0
		err := retry(func() (err error) { n, err = unix.Pread(fd, b[done:], int64(done)); return err })
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return b[:done], nil // it became shorter
		}
		done += n
	}
	return b, nil
}

func writeAll(fd int, b []byte, at int64) error {
	for len(b) > 0 {
		n := 0
		err := retry(func() (err error) { n, err = unix.Pwrite(fd, b, at); return err })
		if err != nil {
			return err
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}
