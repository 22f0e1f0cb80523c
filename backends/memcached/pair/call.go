package pair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

// answer is what the leader said to a change.
type answer struct {
	// absent: it rests on something not being there, which a member that was just
	// started anew says of everything.
	absent bool
	// follow brings the other member to what the leader has now; nil: nothing was
	// changed.
	follow func(ctx context.Context, other *memcached.Store) error
}

var errMoved = errors.New("pair: another member leads since")

// altered is the error of a change that the leader has, and the pair has not
// acknowledged: nothing more can arrive, and it may stand.
func altered(err error) error {
	u := backends.NewUnknown(err, "", "", nil)
	u.Resolve()
	return u
}

// do asks the leader, then tells the other. When it returns nil every whole
// member has what came of it.
func (s *Store) do(ctx context.Context, k backends.Key, ask func(context.Context, *memcached.Store) (answer, error)) error {
	for {
		v, err := s.current(ctx)
		if err != nil {
			return err
		}
		a, err := ask(ctx, v.lead().store)
		if err != nil {
			if s.moveOn(ctx, v.lead(), k, err) {
				continue
			}
			return err
		}
		if a.absent {
			stood, err := s.stood(ctx, v)
			if err != nil && a.follow != nil {
				return altered(err)
			}
			if err != nil {
				return err
			}
			if !stood {
				continue
			}
		}
		if a.follow == nil {
			return nil
		}
		return s.carry(ctx, v, k, a.follow)
	}
}

// look asks the leader for something. absent is set on an answer that says that
// something is not there.
func look[T any](ctx context.Context, s *Store, ask func(context.Context, *memcached.Store) (got T, absent bool, err error)) (T, error) {
	for {
		v, err := s.current(ctx)
		if err != nil {
			return *new(T), err
		}
		got, absent, err := ask(ctx, v.lead().store)
		if err != nil {
			if s.moveOn(ctx, v.lead(), backends.Key{}, err) {
				continue
			}
			return *new(T), err
		}
		if absent {
			stood, err := s.stood(ctx, v)
			if err != nil {
				return *new(T), err
			}
			if !stood {
				continue
			}
		}
		return got, nil
	}
}

// stood tells whether the leader still has the record by which it leads: then it
// was not started anew before what was asked of it until now. Else the caller asks
// again.
func (s *Store) stood(ctx context.Context, v *view) (bool, error) {
	m := v.lead()
	sess, found, err := m.store.Get(ctx, s.recordKey())
	if err != nil {
		if s.moveOn(ctx, m, backends.Key{}, err) {
			return false, nil
		}
		return false, err
	}
	r, err := parseRecord(sess.Data)
	switch {
	case found && err != nil:
		return false, err
	case found && r.Born == v.rec.Born && r.whole(m.name):
		return true, nil
	case found && above(r, v.rec, s.members[0].name):
		s.adopt(r)
	default:
		s.lost(ctx, m)
	}
	return false, nil
}

// answered tells whether an error is about the session, not about the server.
func answered(err error) bool {
	for _, is := range []error{backends.ErrTooLarge, backends.ErrKey, backends.ErrConflict, backends.ErrClosed, context.Canceled} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// moveOn tells whether a call that failed at a member may be made anew, since the
// member is out by now. One that was out of time leaves the look at the member to
// others.
func (s *Store) moveOn(ctx context.Context, m *member, k backends.Key, err error) bool {
	u, unknown := backends.IsUnknown(err)
	if unknown {
		s.doubt(m, u, k)
	}
	switch {
	case answered(err), unknown && over(u):
		return false
	case ctx.Err() != nil:
		s.async(func() { s.suspect(m) })
		return false
	}
	// It answers, and has lost nothing: then the error was its answer, or a
	// connection's end.
	if t := s.probe(ctx, m); t.err == nil && t.found {
		return false
	} else if t.err == nil {
		s.lost(ctx, m)
		return true
	}
	return s.out(ctx, m) == nil
}

// probe asks a member once, for a part of the time that is left.
func (s *Store) probe(ctx context.Context, m *member) told {
	d := patience / 4
	if end, ok := ctx.Deadline(); ok {
		d = min(d, time.Until(end)/3)
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return m.ask(ctx)
}

// suspect takes a member out that does not answer a look either.
func (s *Store) suspect(m *member) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	if t := s.probe(ctx, m); t.err != nil && s.ctx.Err() == nil {
		s.out(ctx, m)
	}
}

// carry brings the other member to what the leader has, or takes it out, and
// returns nil when nobody goes any more by a view in which it would be missed.
func (s *Store) carry(ctx context.Context, v *view, k backends.Key, follow func(context.Context, *memcached.Store) error) error {
	took := false
	if o := v.other; o != nil && !s.o.Replicates {
		var err error
		if took, err = s.follow(ctx, o, k, follow); err != nil {
			return altered(err)
		}
	}
	w, err := s.current(ctx)
	switch {
	case err != nil:
		return altered(err)
	case w.rec.Gen == v.rec.Gen:
		return nil
	case w.lead() == v.lead():
		return s.same(ctx, w, s.touched(k)...) // it may have begun to be filled meanwhile
	case took && w.lead() == v.other:
		return nil
	}
	return altered(errMoved)
}

// follow asks the other member. took is false where it is out instead.
func (s *Store) follow(ctx context.Context, o *member, k backends.Key, follow func(context.Context, *memcached.Store) error) (took bool, err error) {
	for try := 0; ; try++ {
		part, cancel := slice(ctx)
		err := follow(part, o.store)
		cancel()
		if err == nil {
			return true, nil
		}
		u, unknown := backends.IsUnknown(err)
		if unknown {
			s.doubt(o, u, k)
		}
		if answered(err) || ctx.Err() != nil || unknown && over(u) {
			return false, err
		}
		// A member that is well and was slow for a moment is asked once more.
		if t := s.probe(ctx, o); t.err == nil && t.found {
			if !unknown && try > 0 {
				return false, err
			}
			if try == 0 && (!unknown || overSoon(u)) {
				continue
			}
		}
		if err := s.out(ctx, o); err != nil {
			return false, fmt.Errorf("pair: %s took no write, and could not be taken out: %w", o.name, err)
		}
		return false, nil
	}
}

// slice leaves time to take the other member out, where there is some.
func slice(ctx context.Context) (context.Context, context.CancelFunc) {
	const reserve = wait + patience/5
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, patience)
	}
	if time.Until(end) < 3*reserve/2 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-reserve))
}

// over tells whether a doubt has ended; overSoon waits a moment for that.
func over(u *backends.Unknown) bool {
	select {
	case <-u.Done():
		return true
	default:
		return false
	}
}

func overSoon(u *backends.Unknown) bool {
	t := time.NewTimer(Period / 2)
	defer t.Stop()
	select {
	case <-u.Done():
		return true
	case <-t.C:
		return false
	}
}

// doubt keeps a call to a member that may still arrive there. One that ends soon
// may have come after a later write: then the key is made the same again. Else the
// member is out.
func (s *Store) doubt(m *member, u *backends.Unknown, k backends.Key) {
	if over(u) {
		return
	}
	s.mu.Lock()
	s.doubts[u] = m
	s.mu.Unlock()
	s.async(func() {
		defer func() {
			s.mu.Lock()
			delete(s.doubts, u)
			s.mu.Unlock()
		}()
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-u.Done():
		case <-s.ctx.Done():
			return
		case <-t.C:
			ctx, cancel := context.WithTimeout(s.ctx, patience)
			s.out(ctx, m)
			cancel()
			select {
			case <-u.Done():
			case <-s.ctx.Done():
				return
			}
		}
		ctx, cancel := context.WithTimeout(s.ctx, guardFor)
		defer cancel()
		if v, err := s.current(ctx); err == nil && k.Name != "" && v.holds(m) {
			if s.same(ctx, v, s.touched(k)...) != nil {
				s.out(ctx, s.beside(v.lead()))
			}
		}
	})
}

// touched are the names that a change of a session may touch.
func (s *Store) touched(k backends.Key) []backends.Key {
	return []backends.Key{k, backends.GoneKey(s.o.Migration, k)}
}
