package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// Health looks at the folder, and clears away a bounded number of records that
// have run out: agents ask each second.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	if err := s.enter(ctx); err != nil {
		return backends.Health{}, err
	}
	_, err := do(ctx, s, nil, func(*attempt) (none struct{}, err error) {
		var st unix.Stat_t
		if err := unix.Fstatat(s.own.base, "id", &st, 0); err != nil {
			return none, failed("look at our own folder", err)
		}
		return none, nil
	})
	if err != nil {
		return backends.Health{}, err
	}
	if err := s.sweep(ctx); err != nil {
		return backends.Health{}, err
	}
	return backends.Health{
		Product: "files", Version: s.fs, RunID: s.runID,
		Connections: len(s.slots), Parked: int(s.parked.Load()),
	}, nil
}

// fileSystems are the names of those that are known to do (statfs(2)).
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs", unix.F2FS_SUPER_MAGIC: "f2fs", 0x2fc12fc1: "zfs",
}

func fileSystem(dir int) (string, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(dir, &st) }); err != nil {
		return "", err
	}
	if name, ok := fileSystems[int64(st.Type)]; ok {
		return name, nil
	}
	return fmt.Sprintf("%#x", st.Type), nil
}

// probe refuses a filesystem on which deadlines or guards would lie: whose
// mtimes have no nanoseconds, or whose ctimes are not this kernel's clock (a
// network filesystem's are its server's).
func (s *Store) probe() error {
	if s.fs == "nfs" {
		return s.unfit("its change times are its server's clock, and two writes may have the same")
	}
	var before, after unix.Timespec
	unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &before)
	name := tempName()
	f, err := s.temp(place{own: true}, name, []byte{0}, unix.Timespec{Sec: 1e9, Nsec: claimNanos})
	if err != nil {
		return err
	}
	defer f.close()
	defer unix.Unlinkat(s.own.temps, name, 0)
	if err := f.stat(); err != nil {
		return err
	}
	unix.ClockGettime(unix.CLOCK_REALTIME, &after)
	if f.st.Mtim.Nsec != claimNanos || f.st.Mtim.Sec != 1e9 {
		return s.unfit("it keeps no nanoseconds")
	}
	if c := f.st.Ctim.Nano(); c < before.Nano() || c > after.Nano() {
		return s.unfit("its change times are not this host's clock")
	}
	return nil
}

func (s *Store) unfit(why string) error {
	return &Error{"use the filesystem " + s.fs, errors.New(why), "put the session folder on a local filesystem: ext4, xfs, btrfs or tmpfs"}
}

// sweepStep is how many records one Health looks at.
const sweepStep = 100

// sweep removes records that have run out, and temporary files that a killed
// process left.
func (s *Store) sweep(ctx context.Context) error {
	if !s.sweeping.TryLock() {
		return nil
	}
	defer s.sweeping.Unlock()
	folders := []int{s.own.gone, s.own.marks, s.own.locks, s.own.temps}
	if s.cursor == nil { // the next folder, from its beginning
		s.swept = (s.swept + 1) % len(folders)
		d, err := s.openList(ctx, folders[s.swept], ".")
		if err != nil {
			return err
		}
		s.cursor = d
	}
	d := s.cursor
	names, err := do(ctx, s, nil, func(*attempt) ([]string, error) { return d.Readdirnames(sweepStep) })
	if err != nil {
		s.cursor = nil
		d.Close()
	}
	for _, name := range names {
		if err := s.sweepOne(ctx, folders[s.swept], name); err != nil {
			return err
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func (s *Store) sweepOne(ctx context.Context, dir int, name string) error {
	ended := func(r *lockRecord) bool { return !r.Until.IsZero() && !r.Until.After(time.Now()) }
	var id []string
	if dir != s.own.temps {
		var r lockRecord
		found, err := load(dir, name, &r)
		if err == errDamaged {
			return nil // not for a sweep to judge
		}
		if err != nil || !found || !ended(&r) {
			return err
		}
		id = []string{r.Name}
		if r.ID != "" {
			id[0] = r.ID
		}
	}
	_, err := do(ctx, s, id, func(a *attempt) (none struct{}, err error) {
		if dir == s.own.temps {
			var st unix.Stat_t // the mtime is the session's to come
			if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || time.Since(time.Unix(st.Ctim.Sec, 0)) < time.Hour {
				return none, nil
			}
		} else {
			var r lockRecord
			if found, err := load(dir, name, &r); err != nil || !found || !ended(&r) {
				return none, err
			}
		}
		if err := a.begin(); err != nil {
			return none, err
		}
		return none, drop(dir, name)
	})
	return err
}
