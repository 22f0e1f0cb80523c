package files

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// neverSec is the mtime of a session without a deadline: the last second
	// that every filesystem holds (2038-01-19). A file cannot say "never", and
	// PHP's collector deletes what is older than now less its lifetime: what
	// lies in the future stays. PHP's own next write or touch gives the session
	// PHP's lifetime again. Deadlines that need a later mtime are kept as never.
	neverSec = 1<<31 - 1
	// claimNanos are the nanoseconds of a claim's mtime. A clock that ticks
	// gives an empty session these one time in a billion; the store's own
	// writes avoid them.
	claimNanos = 618_033_989
)

// mtime is the time a file gets so that its session ends at deadline.
func (s *Store) mtime(deadline time.Time) unix.Timespec {
	if deadline.IsZero() {
		return unix.Timespec{Sec: neverSec}
	}
	t := deadline.Add(-s.opts.MaxLifetime)
	if t.Unix() >= neverSec {
		return unix.Timespec{Sec: neverSec}
	}
	ts := unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
	if ts.Nsec == claimNanos {
		ts.Nsec++
	}
	return ts
}

// claimTime is the mtime of a claim that ends at notAfter, to the second.
func (s *Store) claimTime(notAfter time.Time) unix.Timespec {
	t := notAfter.Add(-s.opts.MaxLifetime)
	return unix.Timespec{Sec: t.Unix(), Nsec: claimNanos}
}

// deadline is when the session of a file ends; zero: never.
func (s *Store) deadline(st *unix.Stat_t) time.Time {
	if st.Mtim.Sec >= neverSec {
		return time.Time{}
	}
	return time.Unix(st.Mtim.Sec, st.Mtim.Nsec).Add(s.opts.MaxLifetime).UTC()
}

func isClaim(st *unix.Stat_t) bool { return st.Size == 0 && st.Mtim.Nsec == claimNanos }

// live tells whether the file is a session that has not ended.
func (s *Store) live(st *unix.Stat_t, now time.Time) bool {
	d := s.deadline(st)
	return !isClaim(st) && (d.IsZero() || d.After(now))
}

func past(deadline, now time.Time) bool { return !deadline.IsZero() && !deadline.After(now) }

// settle waits until the kernel's clock has moved past the file's last change,
// a tick of 1 to 10 ms, with the file locked. From then on any change, by PHP
// too, has another ctime: the kernel takes it from this very clock, and nobody
// can set it. (Since Linux 6.13 the ctime is finer, never coarser.) So inode and
// ctime name one modification, whoever made it.
//
// A ctime in the future (the clock was set back) is not waited for: what comes
// is different from it too.
func settle(st *unix.Stat_t) {
	for range 50 {
		var now unix.Timespec
		if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now) != nil || now.Nano() > st.Ctim.Nano() || st.Ctim.Nano()-now.Nano() > int64(time.Second) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// version names one modification of one file.
type version struct {
	ino   uint64
	ctime int64
}

func versionOf(st *unix.Stat_t) version { return version{st.Ino, st.Ctim.Nano()} }
