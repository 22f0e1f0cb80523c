package backends

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// MaxNote is the largest note: a quarter of what every store takes, so that one
// small read stays one.
const MaxNote = 256 << 10

// ErrDoubt is returned by a change of a note, with nothing sent, while an
// earlier change through the same Notes had no answer: it may still arrive.
var ErrDoubt = errors.New("backends: an earlier note had no answer yet")

const (
	// noteTries bounds how often a guarded change is tried anew: each try that
	// loses is another's that won, and a fleet raises one note some dozen times
	// at one moment at the most.
	noteTries = 16
	// noteHold is how long one try may take: a guard that is older refuses.
	noteHold = 5 * time.Second
	// noteLife is how long a note lives that its only writer has left.
	noteLife = time.Hour
)

// Notes are a migration's notes in one store (NoteKey). It is safe for
// concurrent use.
//
// A note that is found is one that was written. That none is found says
// nothing, in any store: memcached evicts and forgets at a restart, a Redis
// that failed over may lack the last writes, or bring back an older note, a
// memcached over SQL answers after an eviction with the row, up to sync_every
// old; session files (and so their notes) are each host's own. MySQL keeps what
// it has acknowledged. So whoever cares writes a note again where it is gone,
// and takes no lower one for news.
//
// In a store of several servers (Ringed) a note stands on each of them, so that
// it is seen whichever is down.
//
// At most one connection of a server is parked by notes, however often one that
// stands still is written to: see ErrDoubt.
type Notes struct {
	each []*noter
}

// noter keeps the notes on one server.
type noter struct {
	store     noteStore
	migration string

	mu    sync.Mutex // guards doubt
	doubt *Unknown
}

type noteStore interface {
	Store
	Reader
	Guarder
}

// NotesOf gives a migration's notes in a store; false where the store has not
// the abilities that they need. All stores below this package have them: mysql
// with writes: app too, since notes lie in Crossfade's own table, and hybrid
// with writes: app, where they lie in memcached alone.
func NotesOf(s Store, migration string) (*Notes, bool) {
	servers := []Store{s}
	if r, ok := s.(Ringed); ok {
		servers = r.Servers()
	}
	n := &Notes{}
	for _, one := range servers {
		able, ok := one.(noteStore)
		if !ok {
			return nil, false
		}
		n.each = append(n.each, &noter{store: able, migration: migration})
	}
	return n, true
}

// Said is what one server says of a note.
type Said struct {
	Data  []byte // the caller's
	Found bool   // false where none stands, which says nothing
	Err   error
}

// Read asks all servers at the same time; there is one answer for each.
func (n *Notes) Read(ctx context.Context, name string) []Said {
	said := make([]Said, len(n.each))
	n.all(func(i int, one *noter) error {
		s, found, err := one.store.Get(ctx, NoteKey(one.migration, name))
		if err != nil {
			err = fmt.Errorf("read note: %w", err)
		}
		said[i] = Said{s.Data, found, err}
		return nil
	})
	return said
}

// all runs fn for each server at the same time.
func (n *Notes) all(fn func(int, *noter) error) error {
	if len(n.each) == 1 {
		return fn(0, n.each[0])
	}
	errs := make([]error, len(n.each))
	var wg sync.WaitGroup
	for i, one := range n.each {
		wg.Go(func() { errs[i] = fn(i, one) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Raise writes a note where none stands, or where rises says that it may follow
// what stands. It is compare and swap: between the look and the write nobody
// else has written. done is false where rises refused, on each server. Such a
// note has no end.
//
// rises may be called several times, at the same time for several servers, and
// must not keep was. ErrTooLarge above MaxNote; ErrConflict where others were
// faster each time; an Unknown, and all other errors, say that the note may or
// may not have been written. With an error, done says that one server has it.
func (n *Notes) Raise(ctx context.Context, name string, data []byte, rises func(was []byte) bool) (done bool, err error) {
	return n.Change(ctx, name, func(was []byte, found bool) ([]byte, bool) { return data, !found || rises(was) })
}

// Change is Raise with data made of what stands; found is false where nothing
// does. Where write is false the note stays as it is.
func (n *Notes) Change(ctx context.Context, name string, to func(was []byte, found bool) (data []byte, write bool)) (done bool, err error) {
	var any atomic.Bool
	err = n.all(func(_ int, one *noter) error {
		done, err := one.compute(ctx, name, to)
		if done && err == nil {
			any.Store(true)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("raise note: %w", err)
	}
	return any.Load(), err
}

func (n *noter) compute(ctx context.Context, name string, to func([]byte, bool) ([]byte, bool)) (done bool, err error) {
	err = n.change(ctx, func() error {
		for try := range noteTries {
			done, err = n.once(ctx, name, to)
			if !errors.Is(err, ErrConflict) {
				return err
			}
			if err := idle(ctx, time.Duration(rand.Int64N(int64(try+1)*int64(5*time.Millisecond)))); err != nil {
				return err
			}
		}
		return err
	})
	return done, err
}

func (n *noter) once(ctx context.Context, name string, to func([]byte, bool) ([]byte, bool)) (bool, error) {
	g, err := n.store.Guard(ctx, NoteKey(n.migration, name), time.Now().Add(noteHold))
	if err != nil {
		return false, err
	}
	defer g.Release()
	rec := g.Record()
	data, write := to(rec.Data, rec.Found)
	if !write {
		return false, nil
	}
	s, err := n.note(name, data)
	if err != nil {
		return false, err
	}
	if rec.Gone { // nobody buries a note; what did so by hand is no reason to keep silent
		return true, g.Revive(ctx, s)
	}
	return true, g.Swap(ctx, s)
}

// Write writes a note that has one writer, whatever stood there. It lives for an
// hour: whoever writes it goes on doing so. Errors as Raise.
func (n *Notes) Write(ctx context.Context, name string, data []byte) error {
	err := n.all(func(_ int, one *noter) error {
		s, err := one.note(name, data)
		if err != nil {
			return err
		}
		s.Deadline = time.Now().Add(noteLife)
		return one.change(ctx, func() error { return one.store.Set(ctx, s) })
	})
	if err != nil {
		return fmt.Errorf("write note: %w", err)
	}
	return nil
}

// Drop removes a note.
func (n *Notes) Drop(ctx context.Context, name string) error {
	err := n.all(func(_ int, one *noter) error {
		return one.change(ctx, func() error {
			_, err := one.store.Delete(ctx, NoteKey(one.migration, name))
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("drop note: %w", err)
	}
	return nil
}

func (n *noter) note(name string, data []byte) (Session, error) {
	if len(data) > MaxNote {
		return Session{}, fmt.Errorf("note of %d bytes: at most %d: %w", len(data), MaxNote, ErrTooLarge)
	}
	return Session{Key: NoteKey(n.migration, name), Data: data}, nil
}

// change runs one change, unless the last one may still arrive: then it asks the
// server to end that doubt first, and changes nothing if it cannot.
func (n *noter) change(ctx context.Context, fn func() error) error {
	n.mu.Lock()
	u := n.doubt
	n.mu.Unlock()
	if u != nil {
		if err := u.Settle(ctx); err != nil {
			return errors.Join(ErrDoubt, err)
		}
		n.mu.Lock()
		if n.doubt == u {
			n.doubt = nil
		}
		n.mu.Unlock()
	}
	err := fn()
	if late, ok := IsUnknown(err); ok {
		n.mu.Lock()
		n.doubt = late
		n.mu.Unlock()
	}
	return err
}

func idle(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
