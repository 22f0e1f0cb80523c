package files

import (
	"crypto/rand"
	"encoding/hex"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// put writes a session over f, or anew where f is nil, and gives the file, still
// flocked. It must be preceded by begin. A deadline that is past takes the
// session away, and the file given is nil.
func (s *Store) put(p place, f *file, sess *backends.Session) (*file, error) {
	if past(sess.Deadline, time.Now()) {
		return nil, s.remove(p, f)
	}
	at := s.mtime(sess.Deadline)
	if f != nil {
		return f, f.overwrite(sess.Data, at)
	}
	return s.create(p, sess.Data, at, true)
}

// overwrite changes the content in place: PHP may wait for this very file. Room
// is made first, so that a full disk leaves the session as it was. One call of
// write within a page is not torn even by a kill.
func (f *file) overwrite(data []byte, at unix.Timespec) error {
	size := f.st.Size
	if grow := int64(len(data)) - size; grow > 0 {
		err := retry(func() error { return unix.Fallocate(f.fd, unix.FALLOC_FL_KEEP_SIZE, 0, int64(len(data))) })
		if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
			err = writeAll(f.fd, data[size:], size) // what is new first
		}
		if err != nil {
			f.undo(size)
			return failed("write a session", err)
		}
	}
	if err := writeAll(f.fd, data, 0); err != nil {
		return doubt(failed("write a session", err))
	}
	if int64(len(data)) < size {
		if err := retry(func() error { return unix.Ftruncate(f.fd, int64(len(data))) }); err != nil {
			return doubt(failed("write a session", err))
		}
	}
	return doubt(setTime(f.fd, at))
}

// undo puts back length and mtime; the content was not touched yet.
func (f *file) undo(size int64) {
	unix.Ftruncate(f.fd, size)
	setTime(f.fd, f.st.Mtim)
}

// setTime sets the mtime alone (utimensat with AT_EMPTY_PATH: Linux 5.8).
func setTime(fd int, mtime unix.Timespec) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
	if err := retry(func() error { return unix.UtimesNanoAt(fd, "", ts, unix.AT_EMPTY_PATH) }); err != nil {
		return failed("set a session's time", err)
	}
	return nil
}

// create makes the complete file in our own folder, flocks it, and moves it to
// its name: nobody ever sees half of it, and a full disk or a kill leaves no
// session. errHeld where somebody (PHP: it takes no lock of ours) has just made
// one; without exclusive it takes the place of what is there.
func (s *Store) create(p place, data []byte, at unix.Timespec, exclusive bool) (*file, error) {
	tmp := tempName()
	f, err := s.temp(p, tmp, data, at)
	if err != nil {
		return nil, err
	}
	flags := uint(0)
	if exclusive {
		flags = unix.RENAME_NOREPLACE
	}
	err = retry(func() error { return unix.Renameat2(s.own.temps, tmp, p.dir, p.path, flags) })
	if exclusive && (err == unix.EINVAL || err == unix.ENOSYS) { // not on every filesystem
		if err = unix.Linkat(s.own.temps, tmp, p.dir, p.path, 0); err == nil {
			unix.Unlinkat(s.own.temps, tmp, 0)
		}
	}
	if err == nil {
		err = f.stat()
	}
	if err != nil {
		f.close()
		unix.Unlinkat(s.own.temps, tmp, 0)
		if err == unix.EEXIST {
			return nil, errHeld
		}
		return nil, failed("make a session", err)
	}
	if h := s.holder(p.id); h != nil {
		h.adopt(f)
	}
	return f, nil
}

func (s *Store) temp(p place, name string, data []byte, at unix.Timespec) (f *file, err error) {
	f = &file{}
	err = retry(func() (err error) {
		f.fd, err = unix.Openat(s.own.temps, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return nil, failed("make a session", err)
	}
	err = writeAll(f.fd, data, 0)
	if err == nil && !p.own {
		err = unix.Fchown(f.fd, s.owner.uid, s.owner.gid)
	}
	if err == nil && !p.own {
		err = unix.Fchmod(f.fd, s.path.mode) // the process's umask is not PHP's
	}
	if err == nil {
		err = setTime(f.fd, at)
	}
	if err == nil {
		err = flock(f.fd, unix.LOCK_EX)
	}
	if err != nil {
		f.close()
		unix.Unlinkat(s.own.temps, name, 0)
		return nil, failed("make a session", err)
	}
	return f, nil
}

func tempName() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// remove takes a session away; f is nil where there is none. A PHP request that
// waits for the flock then goes on with a file without a name, and what it
// writes is lost, as after PHP's own session_destroy. Under a lock of ours a
// claim takes its place at once, so that PHP stays excluded.
func (s *Store) remove(p place, f *file) error {
	if f == nil {
		return nil
	}
	if h := s.holder(p.id); h != nil {
		_, err := s.create(p, nil, s.claimTime(h.until), false)
		return err
	}
	err := unix.Unlinkat(p.dir, p.path, 0)
	if err != nil && err != unix.ENOENT {
		return failed("delete a session", err)
	}
	return nil
}
