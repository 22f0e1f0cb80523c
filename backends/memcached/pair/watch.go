package pair

import (
	"context"
	"time"
)

// watch reads a member's record, again and again, and does what follows from it.
func (s *Store) watch(m *member) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		s.look(m)
		t.Reset(Period)
	}
}

// look reads a member's record once. The view is fresh only after what the record
// says was taken over.
func (s *Store) look(m *member) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	t := m.ask(ctx)
	if refused(t.err) { // once more: it may have been a connection from before a restart
		t = m.ask(ctx)
	}
	if s.ctx.Err() != nil {
		return
	}
	m.tell(t)
	ctx, cancel = context.WithTimeout(s.ctx, patience)
	defer cancel()
	switch v := s.view.Load(); {
	case v == nil:
		s.first(ctx)
	case t.err != nil:
		if v.holds(m) || v.other == m {
			s.out(ctx, m)
		}
	case t.found && t.rec.Born == v.rec.Born, t.found && above(t.rec, v.rec, s.members[0].name):
		s.compare(ctx, m, t.rec)
	default: // it was started anew, or told of a store that came after that
		s.lost(ctx, m)
	}
	if t.err == nil {
		m.seen.Store(t.asked)
		s.tidy(ctx)
		s.refill(m)
	}
	s.wake()
}

// first goes by the records at the start: once both members were asked, by that
// which counts more. Where one has none and the other cannot be asked, there is
// nothing to go by: it may be an empty one that was started anew.
func (s *Store) first(ctx context.Context) {
	a, b := s.members[0].told(), s.members[1].told()
	if a.asked == 0 || b.asked == 0 {
		return
	}
	for _, t := range []told{a, b} {
		if t.found {
			s.adopt(t.rec)
		}
	}
	if !a.found && !b.found && a.err == nil && b.err == nil {
		s.establish(ctx, 0)
	}
}

// compare takes a member's record over, or tells the member one that counts more.
func (s *Store) compare(ctx context.Context, m *member, r record) {
	s.adopt(r)
	v := s.view.Load()
	switch {
	case above(v.rec, r, s.members[0].name):
		s.tell(ctx, m, v.rec)
	case len(v.rec.Whole) == 0 && s.both(v.rec.Gen):
		s.amend(ctx, s.members[0], func(r record) (record, bool) {
			if len(r.Whole) > 0 {
				return r, false
			}
			n := r.next()
			n.Whole = []string{s.members[0].name, s.members[1].name}
			return n, true
		})
	case s.o.Replicates && len(v.order) == 1 && !v.holds(m):
		// The servers have copied the record there, so they copy the rest too.
		s.amend(ctx, v.lead(), func(r record) (record, bool) {
			if r.whole(m.name) {
				return r, false
			}
			n := r.next()
			n.Whole = append(n.Whole, m.name)
			return n, true
		})
	}
}

// both tells whether both members have told the record of that generation.
func (s *Store) both(gen uint64) bool {
	for _, m := range s.members {
		if t := m.told(); t.err != nil || !t.found || t.rec.Gen != gen {
			return false
		}
	}
	return true
}

// lost is for a member that answers and has no record of this store.
func (s *Store) lost(ctx context.Context, m *member) {
	v, o := s.view.Load(), s.beside(m)
	switch {
	case !v.holds(m) && !v.fills(m):
		s.tell(ctx, m, v.rec)
	case v.holds(o) || v.fills(m):
		s.out(ctx, m)
	default:
		// The only whole one: what it held is lost, unless we have slept and the
		// other was filled, and made whole, meanwhile. It says so.
		if t := o.ask(ctx); t.found && above(t.rec, v.rec, s.members[0].name) {
			s.adopt(t.rec)
			return
		}
		s.change(ctx, m, func(r record) (record, bool) {
			n := r.next()
			n.Born, n.Whole, n.Filling = id(), []string{m.name}, nil
			return n, r.whole(m.name)
		}, true)
	}
}

// beside is the other member.
func (s *Store) beside(m *member) *member {
	if m == s.members[0] {
		return s.members[1]
	}
	return s.members[0]
}
