package flags

import (
	"maps"
	"slices"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Decision is what a revision says of one session. The zero Decision is not
// Ready, so that what forgets to decide serves nobody.
type Decision struct {
	// Ready is set when a revision is known. Without it the rest means
	// nothing, and a request is answered with an error.
	Ready bool
	// Position of the session.
	Position position.Position
	// Bucket is 0 to 9,999.
	Bucket uint16
	// Settled is set in read-new once every agent has acknowledged it for this
	// session's cohort, and until sealing begins. Never for a pinned session.
	Settled bool
	// Pinned is set when a pin, not the bucket, gave the position.
	Pinned bool
	// BeenCutover is set when the session's bucket was ever in cutover: old is
	// no source for it until it was made the same again.
	BeenCutover bool
	// KeepOld is set while cutover also writes to old.
	KeepOld bool
	// Down is the store that is declared dead.
	Down Down
	// Epoch of the revision.
	Epoch uint64
}

// Decider gives the position of a session. It is safe for concurrent use, does
// no I/O and never fails: when nothing is known the Decision is not Ready.
type Decider interface {
	Decide(h Hash) Decision
}

// Snapshot is one revision, compiled. It is immutable and safe for concurrent
// use. A nil Snapshot decides nothing: its Decisions are not Ready.
type Snapshot struct {
	def   Definition
	seed  bucketer
	spans []span // only positions with weight, in the order of Ladder
	pins  map[Hash]position.Position
	// raise, where it is not nil, was defined elsewhere, and may have sessions in
	// mirror that this revision has off. What may follow what is judged without.
	raise *Elsewhere
}

// span is the buckets below end that no earlier span holds.
type span struct {
	end uint32
	at  position.Position
}

var _ Decider = (*Snapshot)(nil)

// Compile checks a definition and makes it a Snapshot. The definition is
// copied. The error is a *ProblemError that lists everything that is wrong.
func (d Definition) Compile() (*Snapshot, error) {
	if ps := d.problems(); len(ps) > 0 {
		return nil, &ProblemError{Problems: ps}
	}
	s := &Snapshot{def: d.clone()}
	seed := d.Bucketing
	if seed == "" {
		seed = Key
	}
	s.seed = newBucketer(seed)
	var end uint32
	for _, p := range Ladder {
		if w := d.Weights[p]; w > 0 {
			end += uint32(w)
			s.spans = append(s.spans, span{end, p})
		}
	}
	if len(s.def.Pins) > 0 {
		s.pins = s.def.Pins
	}
	return s, nil
}

// For is the revision as the agent of that name serves it: without mirror where
// only others are to (Definition.Only).
func (s *Snapshot) For(agent string) *Snapshot {
	if s == nil || len(s.def.Only) == 0 || slices.Contains(s.def.Only, agent) {
		return s
	}
	o := *s
	o.spans, o.pins = slices.Clone(s.spans), maps.Clone(s.pins)
	for i := range o.spans {
		if o.spans[i].at == position.Mirror {
			o.spans[i].at = position.Off
		}
	}
	for h, at := range o.pins {
		if at == position.Mirror {
			o.pins[h] = position.Off
		}
	}
	return &o
}

// Decide gives the position of a session.
func (s *Snapshot) Decide(h Hash) Decision {
	if s == nil {
		return Decision{}
	}
	d := s.decideBucket(s.seed.bucket(&h))
	if s.pins != nil {
		if p, ok := s.pins[h]; ok {
			d.Position, d.Pinned, d.Settled = p, true, false
		}
	}
	if s.raise != nil && d.Position == position.Off && !d.Pinned && s.raise.raises(&h) {
		d.Position = position.Mirror
	}
	return d
}

// raised is the revision as it is served where a definition was made elsewhere;
// nil: none was.
func (s *Snapshot) raised(by *Elsewhere) *Snapshot {
	if s == nil || s.raise == by {
		return s
	}
	o := *s
	o.raise = by
	return &o
}

// Newer tells whether n is to be served in the place of s: of a later epoch, or
// of the same with another definition that was made elsewhere.
func (s *Snapshot) Newer(n *Snapshot) bool {
	return s == nil || n.Epoch() > s.Epoch() || n.Epoch() == s.Epoch() && n.raise != s.raise
}

// decideBucket is Decide for a session that is not pinned.
func (s *Snapshot) decideBucket(b uint32) Decision {
	d := Decision{
		Ready:       true,
		Bucket:      uint16(b),
		BeenCutover: int(b) < s.def.CutoverFloor,
		KeepOld:     s.def.KeepOld,
		Down:        s.def.DeclaredDown,
		Epoch:       s.def.Epoch,
	}
	for i := range s.spans {
		if b < s.spans[i].end {
			d.Position = s.spans[i].at
			break
		}
	}
	d.Settled = d.Position == position.ReadNew && int(b) < s.def.Settled
	return d
}

// Holds tells whether any session is in that position.
func (s *Snapshot) Holds(p position.Position) bool {
	if s == nil {
		return false
	}
	if slices.ContainsFunc(s.spans, func(sp span) bool { return sp.at == p }) {
		return true
	}
	if p == position.Mirror && s.raise != nil && s.Holds(position.Off) {
		return true // perhaps
	}
	for _, at := range s.pins {
		if at == p {
			return true
		}
	}
	return false
}

// Bucket of a session: 0 to 9,999.
func (s *Snapshot) Bucket(h Hash) int { return int(s.seed.bucket(&h)) }

// Epoch of the revision; 0 of a nil Snapshot.
func (s *Snapshot) Epoch() uint64 {
	if s == nil {
		return 0
	}
	return s.def.Epoch
}

// Definition is a copy of what was compiled.
func (s *Snapshot) Definition() Definition { return s.def.clone() }

// Migration is the name of the migration that the revision belongs to.
func (s *Snapshot) Migration() string { return s.def.Migration }

// Bucketing is the seed of the buckets, as in the definition.
func (s *Snapshot) Bucketing() string { return s.def.Bucketing }
