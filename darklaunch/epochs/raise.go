package epochs

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/seed-41165957/crossfade/backends"
)

// ErrHigher says that a store holds a note which this one may not follow:
// somebody else has published since.
var ErrHigher = errors.New("epochs: a store holds a higher epoch")

// ErrNone says that a store cannot hold notes, or that there is none.
var ErrNone = errors.New("epochs: the store holds no notes")

// RaiseError says which store did not take a note; nil: it stands there.
type RaiseError struct{ Old, New error }

func (e *RaiseError) Error() string {
	text := ""
	for _, one := range []struct {
		name string
		err  error
	}{{"old", e.Old}, {"new", e.New}} {
		if one.err != nil {
			if text != "" {
				text += "; "
			}
			text += one.name + ": " + one.err.Error()
		}
	}
	return "epochs: the note does not stand in " + text
}

func (e *RaiseError) Unwrap() []error { return []error{e.Old, e.New} }

// Some tells whether one of the stores took it.
func (e *RaiseError) Some() bool { return e.Old == nil || e.New == nil }

// Raise writes a note in both stores, at the same time, where what stands there
// is lower. nil: it stands in both. A *RaiseError says which has it not, and
// wraps ErrHigher where it may not follow what stands; then, too, the other may
// have taken it. nil Notes count as ErrNone.
func Raise(ctx context.Context, old, new *backends.Notes, n Note) error {
	data, err := n.Marshal()
	if err != nil {
		return &RaiseError{err, err}
	}
	if n, err = Parse(data); err != nil { // with what Marshal fills in
		return &RaiseError{err, err}
	}
	var e RaiseError
	var wg sync.WaitGroup
	wg.Go(func() { e.Old = raise(ctx, old, &n, data) })
	wg.Go(func() { e.New = raise(ctx, new, &n, data) })
	wg.Wait()
	if e.Old == nil && e.New == nil {
		return nil
	}
	return &e
}

func raise(ctx context.Context, to *backends.Notes, n *Note, data []byte) error {
	if to == nil {
		return ErrNone
	}
	var mu sync.Mutex
	var refused error // by one of the store's servers
	_, err := to.Raise(ctx, Name, data, func(was []byte) bool {
		ok, why := n.follows(was)
		mu.Lock()
		defer mu.Unlock()
		refused = cmp.Or(why, refused)
		return ok
	})
	return cmp.Or(err, refused)
}

// Stand is what one store says.
type Stand struct {
	Note  Note
	Found bool
	Err   error // the store did not say, or holds what is no note
	// Short is set where a server of the store answers that it has none, or a
	// lower one: the others have more than it.
	Short bool
}

// ReadBoth reads the epoch note of both stores at the same time.
func ReadBoth(ctx context.Context, old, new *backends.Notes, migration string) (o, n Stand) {
	var wg sync.WaitGroup
	wg.Go(func() { o = read(ctx, old, migration) })
	wg.Go(func() { n = read(ctx, new, migration) })
	wg.Wait()
	return o, n
}

func read(ctx context.Context, from *backends.Notes, migration string) (s Stand) {
	if from == nil {
		return Stand{Err: ErrNone}
	}
	servers := from.Read(ctx, Name)
	stands := make([]Stand, len(servers))
	for i, said := range servers {
		stands[i] = stand(said, migration)
		s.Note, s.Found = Highest(s, stands[i])
		if stands[i].Err != nil {
			s.Err = stands[i].Err
		}
	}
	if !s.Found {
		return s
	}
	s.Err = nil // who answers counts
	for _, one := range stands {
		lower := one.Note.Epoch < s.Note.Epoch || one.Note.Epoch == s.Note.Epoch && one.Note.At.Before(s.Note.At)
		if one.Err == nil && (!one.Found || lower) {
			s.Short = true
		}
	}
	return s
}

func stand(said backends.Said, migration string) (s Stand) {
	if said.Err != nil || !said.Found {
		return Stand{Err: said.Err}
	}
	if s.Note, s.Err = Parse(said.Data); s.Err == nil && s.Note.Migration != migration {
		s.Err = errors.New("epochs: not a note of this migration")
	}
	s.Found = s.Err == nil
	return s
}

// Highest is the higher of the two notes; of equal epochs the one made later.
// found is false where neither was found.
func Highest(o, n Stand) (top Note, found bool) {
	switch {
	case !o.Found:
		return n.Note, n.Found
	case !n.Found, o.Note.Epoch > n.Note.Epoch, o.Note.Epoch == n.Note.Epoch && !n.Note.At.After(o.Note.At):
		return o.Note, true
	}
	return n.Note, true
}
