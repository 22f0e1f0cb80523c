package files

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// scanBatch is how many names of a folder are read, and asked the time of, in
// one go.
const scanBatch = 1000

// Scan lists sessions that have not ended, keys of our own, tombstones, marks
// and locks. Memory is that of one batch, however many files there are. It
// fails in a folder that may be used but not listed (Debian's, mode 1733, for
// all but root).
func (s *Store) Scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	now := time.Now()
	if prefix == "" || validID(prefix, 0) {
		if err := s.scanLevel(ctx, ".", s.path.depth, prefix, now, fn); err != nil {
			return err
		}
	}
	keys := func(dir int, file string) (string, bool) {
		name, ok := unescape(file)
		return name, ok && strings.HasPrefix(name, prefix) && s.liveAt(dir, file, now)
	}
	if err := s.list(ctx, s.own.keys, ".", keys, fn); err != nil {
		return err
	}
	for _, kind := range []struct {
		dir  int
		name func(r lockRecord) string
	}{
		{s.own.gone, func(r lockRecord) string {
			return backends.GoneKey(s.opts.Migration, backends.Key{Name: r.Name}).Name
		}},
		{s.own.marks, func(r lockRecord) string {
			return backends.MarkKey(s.opts.Migration, backends.Key{Name: r.Name}).Name
		}},
		{s.own.locks, func(r lockRecord) string { return r.Name }},
	} {
		records := func(dir int, file string) (string, bool) {
			var r lockRecord // all records have a name and an end
			found, err := load(dir, file, &r)
			name := kind.name(r)
			return name, found && err == nil && (r.Until.IsZero() || r.Until.After(now)) && strings.HasPrefix(name, prefix)
		}
		if err := s.list(ctx, kind.dir, ".", records, fn); err != nil {
			return err
		}
	}
	return s.enter(ctx)
}

// scanLevel lists the sessions of one folder, or goes into its levels.
func (s *Store) scanLevel(ctx context.Context, path string, depth int, prefix string, now time.Time, fn func([]string) error) error {
	if depth == 0 {
		return s.list(ctx, s.dir, path, func(dir int, file string) (string, bool) {
			id, ok := strings.CutPrefix(file, filePrefix)
			return id, ok && validID(id, s.path.depth) && strings.HasPrefix(id, prefix) && s.liveAt(dir, file, now)
		}, fn)
	}
	var levels []string // at most one for each character
	err := s.list(ctx, s.dir, path, func(_ int, file string) (string, bool) {
		return file, len(file) == 1 && validID(file, 0)
	}, func(names []string) error {
		levels = append(levels, names...)
		return nil
	})
	for _, level := range levels {
		if err != nil {
			break
		}
		err = s.scanLevel(ctx, path+"/"+level, depth-1, prefix, now, fn)
	}
	return err
}

// liveAt tells whether a file is a session, without its flock: only its time
// is wanted.
func (s *Store) liveAt(dir int, file string, now time.Time) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, file, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && s.live(&st, now)
}

// list gives what keep makes of the names in a folder, in batches. keep runs at
// the disk, fn does not.
func (s *Store) list(ctx context.Context, dir int, path string, keep func(dir int, file string) (string, bool), fn func([]string) error) error {
	d, err := s.openList(ctx, dir, path)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		names, err := do(ctx, s, nil, func(*attempt) (out []string, err error) {
			names, err := d.Readdirnames(scanBatch)
			for _, name := range names {
				if n, ok := keep(int(d.Fd()), name); ok {
					out = append(out, n)
				}
			}
			return out, err
		})
		if len(names) > 0 {
			if err := fn(names); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			var errno unix.Errno
			if errors.As(err, &errno) {
				return failed("list the session folder", errno)
			}
			return err
		}
	}
}

func (s *Store) openList(ctx context.Context, dir int, path string) (*os.File, error) {
	return do(ctx, s, nil, func(*attempt) (*os.File, error) {
		fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, failed("list the session folder", err)
		}
		return os.NewFile(uintptr(fd), "session folder"), nil
	})
}
