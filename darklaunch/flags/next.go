package flags

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Reasons for which one revision may not follow another. The error that Next
// and Resume return wraps one of them and says what was found.
var (
	// ErrEpoch: the epoch does not rise.
	ErrEpoch = errors.New("epoch must rise")
	// ErrIdentity: another migration or another bucketing.
	ErrIdentity = errors.New("migration and bucketing are fixed for its life")
	// ErrFloor: the cutover floor shrinks.
	ErrFloor = errors.New("cutover_floor never shrinks")
	// ErrAdjacent: a session would move by two positions or more.
	ErrAdjacent = errors.New("a session moves one position at a time")
	// ErrSettled: a session leaves read-new while it is settled there, or is
	// settled before it is in read-new.
	ErrSettled = errors.New("settled is taken back first, and given last")
	// ErrDown: what is declared down changes in another order than it may.
	ErrDown = errors.New("declared_down changes one step at a time")
)

// Next tells whether n may follow s in an agent that is serving: nil, or the
// reason. The whole of it: the epoch rises; migration and bucketing stay; the
// floor does not shrink; every bucket and every pinned session is where it was
// or in an adjacent position; read-new is settled only for sessions that were
// in it already, and taken back before they leave it; what is declared down
// changes in its order.
func (s *Snapshot) Next(n *Snapshot) error {
	s, n = s.raised(nil), n.raised(nil)
	if err := s.Resume(n); err != nil {
		return err
	}
	if n.def.Epoch == s.def.Epoch {
		return s.refuse(n, ErrEpoch, "both are %d", s.def.Epoch)
	}
	if a, b := s.def.DeclaredDown, n.def.DeclaredDown; !b.mayFollow(a) {
		return s.refuse(n, ErrDown, "it was %q, now %q: old goes down as old, old-locks-in-new, old-recovering, then empty; new as new, then empty", a, b)
	}
	return s.moves(n)
}

// Resume tells whether n may be what an agent begins with that had s when it
// stopped. Nothing that it began under s is still running, so positions may
// have moved on by more than one; what may not change in a migration may not
// change here either. An equal revision may be resumed.
func (s *Snapshot) Resume(n *Snapshot) error {
	if a, b := s.def.Migration, n.def.Migration; a != b {
		return s.refuse(n, ErrIdentity, "migration is %q, the new one is of %q", a, b)
	}
	if a, b := s.def.Bucketing, n.def.Bucketing; a != b {
		return s.refuse(n, ErrIdentity, "bucketing is %q, the new one has %q: every session would move", a, b)
	}
	if a, b := s.def.Epoch, n.def.Epoch; b < a {
		return s.refuse(n, ErrEpoch, "it is %d, the new one has %d: an older file came back?", a, b)
	}
	if n.def.Epoch == s.def.Epoch && !s.same(n) {
		return s.refuse(n, ErrEpoch, "both are %d, and differ: publish the change under a new epoch", s.def.Epoch)
	}
	if a, b := s.def.CutoverFloor, n.def.CutoverFloor; b < a {
		return s.refuse(n, ErrFloor, "it is %d, the new one has %d: sessions below it have been in cutover", a, b)
	}
	return nil
}

func (s *Snapshot) refuse(n *Snapshot, reason error, format string, args ...any) error {
	return fmt.Errorf("flags: epoch %d cannot follow %d: %w: %s", n.def.Epoch, s.def.Epoch, reason, fmt.Sprintf(format, args...))
}

// Same tells whether two revisions say the same.
func (s *Snapshot) Same(n *Snapshot) bool { return s != nil && n != nil && s.same(n) }

// same compares by the bytes that would be written.
func (s *Snapshot) same(n *Snapshot) bool {
	a, errA := s.def.MarshalFlagd()
	b, errB := n.def.MarshalFlagd()
	return errA == nil && errB == nil && string(a) == string(b)
}

// moves compares every bucket and every pin.
func (s *Snapshot) moves(n *Snapshot) error {
	// Between two neighbouring edges nothing changes: it is enough to look at
	// the first bucket of each stretch.
	edges := []uint32{0, Buckets}
	for _, x := range []*Snapshot{s, n} {
		for _, sp := range x.spans {
			edges = append(edges, sp.end)
		}
		edges = append(edges, uint32(x.def.Settled))
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	for i := 0; i+1 < len(edges); i++ {
		who := fmt.Sprintf("buckets %d to %d", edges[i], edges[i+1]-1)
		if err := s.move(n, who, s.decideBucket(edges[i]), n.decideBucket(edges[i])); err != nil {
			return err
		}
	}
	for _, x := range []*Snapshot{s, n} {
		for _, h := range x.def.pinned() {
			if err := s.move(n, "pinned session "+h.String(), s.Decide(h), n.Decide(h)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Snapshot) move(n *Snapshot, who string, a, b Decision) error {
	if !position.Together(a.Position, b.Position) {
		return s.refuse(n, ErrAdjacent, "%s would go from %v to %v: go by %v, and wait until every agent has acknowledged it",
			who, a.Position, b.Position, step(a.Position, b.Position))
	}
	if a.Settled && b.Position != position.ReadNew {
		return s.refuse(n, ErrSettled, "%s are settled in read-new and would go to %v: lower settled to their first bucket, "+
			"and wait until every agent has acknowledged it", who, b.Position)
	}
	if b.Settled && a.Position != position.ReadNew {
		return s.refuse(n, ErrSettled, "%s would be settled in read-new on arriving from %v: settle them when every agent has acknowledged read-new",
			who, a.Position)
	}
	return nil
}

// step is the first position on the shortest way from a to b.
func step(a, b position.Position) position.Position {
	from := [position.Count]int{}
	queue := []position.Position{b}
	from[b] = 1
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		for _, q := range position.All() {
			if position.Adjacent(p, q) && from[q] == 0 {
				if q == a {
					return p
				}
				from[q] = 1
				queue = append(queue, q)
			}
		}
	}
	return b
}
