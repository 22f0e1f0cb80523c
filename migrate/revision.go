package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/book"
)

// revision is the flag set as it was read.
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
	data, err := m.page(book.Flags)
	if err != nil {
		return nil, err
	}
	if data == nil {
		return &revision{def: m.nothing()}, nil
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

// bookMost bounds one look into the book.
const bookMost = 10 * time.Second

// page reads a page of the book.
func (m *Migration) page(name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bookMost)
	defer cancel()
	data, err := m.o.Book.Load(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("migrate: read %s: %w", m.o.Book.Where(name), err)
	}
	return data, nil
}

// write replaces a page.
func (m *Migration) write(by book.Lock, name string, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), bookMost)
	defer cancel()
	if err := m.o.Book.Save(ctx, by, name, data); err != nil {
		return fmt.Errorf("migrate: write %s: %w", m.o.Book.Where(name), err)
	}
	return nil
}

// publisher is the lock under which the flags and the record are compared and
// written. It is held for milliseconds.
func (m *Migration) publisher(ctx context.Context) (book.Lock, error) {
	for end := time.Now().Add(bookMost); time.Now().Before(end); {
		l, err := m.o.Book.TryLock(ctx, book.Publish)
		if l != nil {
			return l, nil
		}
		if err != nil {
			return nil, fmt.Errorf("migrate: %w", err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, refuse(GateRevision, "wait for it, or end it", "another process has been publishing for %v", bookMost)
}
