package pair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	// guardFor bounds one guarded copy.
	guardFor = 5 * time.Second
	// sameTries bounds how often a copy begins anew because somebody wrote.
	sameTries = 64
)

var errContended = errors.New("pair: the key changes too fast to be copied")

// same brings keys in the other member to what the leader has: the target's token
// first, then the source, then the swap. What is written to the leader after the
// look is written to the other after that, and the swap does not stand over it.
// Keys are taken as they are: a tombstone is one more. Where there is no other
// member nothing is done.
func (s *Store) same(ctx context.Context, v *view, keys ...backends.Key) error {
	if v.other == nil || s.o.Replicates {
		return nil
	}
	for _, k := range keys {
		if err := s.sameKey(ctx, v, k); err != nil {
			return fmt.Errorf("pair: copy from %s to %s: %w", v.lead().name, v.other.name, err)
		}
	}
	return nil
}

func (s *Store) sameKey(ctx context.Context, v *view, k backends.Key) error {
	k.Route = ""
	for range sameTries {
		err := s.copyOnce(ctx, v, k)
		if !errors.Is(err, backends.ErrConflict) {
			return err
		}
	}
	return errContended
}

func (s *Store) copyOnce(ctx context.Context, v *view, k backends.Key) error {
	g, err := v.other.raw.Guard(ctx, k, time.Now().Add(guardFor))
	if err != nil {
		return err
	}
	defer g.Release()
	asked := time.Now()
	from, err := v.lead().raw.Read(ctx, k)
	if err != nil {
		return err
	}
	if time.Since(asked) > tick/5 { // its time left is counted from when it was asked for
		return backends.ErrConflict
	}
	// Whoever takes the leader out waits until nobody goes by this view any more,
	// and writes only then: to the other, where the token notices it.
	if w, err := s.current(ctx); err != nil || w.lead() != v.lead() || w.other != v.other {
		return errors.Join(errMoved, err)
	}
	had := g.Record()
	switch {
	case !from.Found && !had.Found:
		return nil
	case !from.Found: // one that ends in the past is removed
		from.Session = backends.Session{Data: []byte{0}, Deadline: time.Now().Add(-time.Hour)}
	case had.Found && alike(from.Session, had.Session):
		return nil
	}
	from.Session.Key = k
	if from.Session.DeadlineUnknown {
		return errDeadline
	}
	return g.Swap(ctx, from.Session)
}

// errDeadline: without the meta commands nobody can say how long a copy shall live.
var errDeadline = errors.New("pair: the server does not tell deadlines (no meta commands)")

// alike tells whether nothing is to be copied. Deadlines are read in whole seconds,
// of two clocks.
func alike(a, b backends.Session) bool {
	never := a.Deadline.IsZero() == b.Deadline.IsZero()
	return never && a.Flags == b.Flags && string(a.Data) == string(b.Data) && a.Deadline.Sub(b.Deadline).Abs() <= 3*time.Second/2
}
