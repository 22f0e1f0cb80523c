package pair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-41165957/crossfade/backends"
)

// errLast is returned by out for the only member that is whole.
var errLast = errors.New("pair: the other member is not whole")

// amend changes the record on a member that is whole, by compare-and-swap, and
// goes by what stands then. edit may be called several times; false: there is
// nothing to change.
func (s *Store) amend(ctx context.Context, at *member, edit func(record) (record, bool)) error {
	return s.change(ctx, at, edit, false)
}

// change is amend; with anew also where the member holds no record of this store.
func (s *Store) change(ctx context.Context, at *member, edit func(record) (record, bool), anew bool) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("pair: change the record: %w", ctx.Err())
	}
	v := s.view.Load()
	next, ok := edit(v.rec)
	if !ok {
		return nil
	}
	var stands record
	var gone bool
	_, err := at.notes.Change(ctx, recordName, func(was []byte, found bool) ([]byte, bool) {
		r, err := parseRecord(was)
		gone = !found || err == nil && r.Born != v.rec.Born && r.Gen < next.Gen
		stands = next
		if found && (err != nil || above(r, v.rec, s.members[0].name)) {
			stands = r // others were faster, or of another version
			return nil, false
		}
		return next.encode(), !gone || anew
	})
	switch {
	case err != nil:
		return fmt.Errorf("pair: change the record: %w", err)
	case stands.Gen == 0:
		return errRecord
	case gone && !anew: // this one was started anew too
		return s.establishHeld(ctx, v.rec.Gen)
	}
	s.adopt(stands)
	return nil
}

// establish makes the record of a store that is seen for the first time, or whose
// members have both lost all: one that says that neither is whole. Once both have
// it, it says that both are. (Were it done in one step, an agent that finds it on
// the one member would take the other, without one, for started anew.)
func (s *Store) establish(ctx context.Context, gen uint64) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.establishHeld(ctx, gen)
}

func (s *Store) establishHeld(ctx context.Context, gen uint64) error {
	r := record{Version: 1, Gen: gen + 1, Born: id(), Whole: []string{}}
	stands := r
	_, err := s.members[0].notes.Change(ctx, recordName, func(was []byte, found bool) ([]byte, bool) {
		stands = r
		if o, err := parseRecord(was); found && err == nil && o.Gen >= r.Gen {
			stands = o
			return nil, false
		}
		return r.encode(), true
	})
	if err == nil {
		s.adopt(stands)
	}
	return err
}

// tell writes a record to a member that has a lower one, or none. One that has
// none, and would be whole by it, was started anew: that is for lost.
func (s *Store) tell(ctx context.Context, m *member, r record) error {
	if s.o.Replicates {
		return nil
	}
	_, err := m.notes.Change(ctx, recordName, func(was []byte, found bool) ([]byte, bool) {
		if !found {
			return r.encode(), !r.whole(m.name)
		}
		o, err := parseRecord(was)
		return r.encode(), err == nil && above(r, o, s.members[0].name) && (o.Born == r.Born || !r.whole(m.name))
	})
	return err
}

// out takes a member out, by the record on the other. When it returns nil the view
// without the member may not be usable yet (see current). errLast where the other
// is not whole.
func (s *Store) out(ctx context.Context, m *member) error {
	v, o := s.view.Load(), s.beside(m)
	if !v.holds(m) && !v.fills(m) {
		return nil
	}
	if !v.holds(o) {
		return errLast
	}
	return s.amend(ctx, o, func(r record) (record, bool) {
		if !r.whole(m.name) && !r.fills(m.name) || !r.whole(o.name) {
			return r, false
		}
		n := r.without(m.name)
		n.Doubts = s.doubtful(n.Doubts, m)
		return n, true
	})
}

// doubtful is a list of doubts with this agent's own as they are now.
func (s *Store) doubtful(list []doubt, m *member) []doubt {
	list = slices.DeleteFunc(slices.Clone(list), func(d doubt) bool { return d.Agent == s.start && d.Member == m.name })
	s.mu.Lock()
	defer s.mu.Unlock()
	for u, at := range s.doubts {
		d := doubt{Member: m.name, Agent: s.start, Conn: u.Conn, RunID: u.RunID}
		if at == m && !slices.Contains(list, d) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b doubt) int { return compareDoubts(a, b) })
	return list
}

func compareDoubts(a, b doubt) int {
	for _, x := range [][2]string{{a.Member, b.Member}, {a.Agent, b.Agent}, {a.Conn, b.Conn}, {a.RunID, b.RunID}} {
		if x[0] != x[1] {
			if x[0] < x[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// tidy says in the record, of members that are out, which calls of this agent's may
// still arrive there.
func (s *Store) tidy(ctx context.Context) {
	v := s.view.Load()
	if v == nil || len(v.order) != 1 {
		return
	}
	m := s.beside(v.lead())
	s.settle(ctx, m)
	if slices.Equal(v.rec.Doubts, s.doubtful(v.rec.Doubts, m)) {
		return
	}
	s.amend(ctx, v.lead(), func(r record) (record, bool) {
		n := r.next()
		n.Doubts = s.doubtful(r.Doubts, m)
		return n, !r.whole(m.name) && !slices.Equal(n.Doubts, r.Doubts)
	})
}

// settle ends the doubts about this agent's calls to a member, where it can.
func (s *Store) settle(ctx context.Context, m *member) {
	s.mu.Lock()
	var mine []*backends.Unknown
	for u, at := range s.doubts {
		if at == m {
			mine = append(mine, u)
		}
	}
	s.mu.Unlock()
	if m.told().err != nil {
		return
	}
	for _, u := range mine {
		if u.Settle(ctx) == nil {
			s.mu.Lock()
			delete(s.doubts, u)
			s.mu.Unlock()
		}
	}
}
