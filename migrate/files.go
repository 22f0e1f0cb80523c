package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// revision is the flag file as it was read.
type revision struct {
	data []byte // nil: there is no file
	snap *flags.Snapshot
	def  flags.Definition
}

func (r *revision) digest() string { return sum(r.data) }

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// read reads the flag file. One that is not there yet is revision 0: all off.
func (m *Migration) read() (*revision, error) {
	data, err := os.ReadFile(m.o.FlagFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &revision{def: m.nothing()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: flag file: %w: check flags.file", err)
	}
	snap, err := flags.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("migrate: flag file: %w: put it right; agents go on with what they have", err)
	}
	if snap.Migration() != m.o.Migration {
		return nil, fmt.Errorf("migrate: the flag file is of migration %q, the configuration of %q: check flags.file", snap.Migration(), m.o.Migration)
	}
	return &revision{data: data, snap: snap, def: snap.Definition()}, nil
}

func (m *Migration) nothing() flags.Definition {
	d := flags.Definition{Migration: m.o.Migration}
	d.Weights[0] = flags.Buckets // off
	return d
}

// held is a lock on a file beside the flag file.
type held struct{ f *os.File }

func (h *held) release() { h.f.Close() }

// lock takes the lock of that name; nil: somebody else has it.
func lockFile(path string) (*held, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("migrate: lock: %w: run this where the flag file may be written", err)
	}
	ok, err := tryLock(f)
	if err != nil {
		err = fmt.Errorf("migrate: lock: %w", err)
	}
	if !ok {
		f.Close()
		return nil, err
	}
	return &held{f}, nil
}

// publisher is the lock under which the flag file and the record are compared
// and written. It is held for milliseconds.
func (m *Migration) publisher(ctx context.Context) (*held, error) {
	for range 500 {
		h, err := lockFile(m.o.FlagFile + ".lock")
		if h != nil || err != nil {
			return h, err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, refuse(GateRevision, "wait for it, or end it", "another process has been publishing for 5 s (it holds %s)", filepath.Base(m.o.FlagFile)+".lock")
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// save replaces path by data: after a crash at any moment the old bytes or the
// new ones are there whole. The mode of what is there stays: agents of other
// users may read it.
func save(path string, data []byte) error {
	mode := fs.FileMode(0o644) // hashes and numbers: no secret
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode)); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
