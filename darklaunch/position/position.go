// Package position holds the seven positions that one session can be in, and
// which of them may stand beside each other. It promises that the names are
// those of the flag's variants, for the life of a migration, and that nothing
// else decides what is adjacent.
//
//	p, err := position.Parse("read-new")
//	p.Stage()                            // "read-new"
//	position.Adjacent(p, position.Fenced) // true
//
// People see four stages; the ladder has seven positions because primacy moves
// in three steps: old decides, then both must agree, then new decides.
package position

import "fmt"

// Position is where one session is on the ladder. The zero value is Off. The
// numbers are for arrays, never for files: what is saved is the name.
type Position uint8

const (
	Off     Position = iota // old alone, as without Crossfade
	Mirror                  // old; new follows after the answer
	Fenced                  // old, then new (or a mark in old) before the answer
	ReadNew                 // reads from new, old still decides writes
	Sealed                  // both must have every write; no fallback, no copies
	Cutover                 // new decides
	Back                    // rollback of Cutover: new decides, old is made whole again
)

// Count is how many positions there are: an array of this length is indexed by
// Position.
const Count = 7

var names = [Count]string{"off", "mirror", "fenced", "read-new", "sealed", "cutover", "back"}

// String is the flag's variant.
func (p Position) String() string {
	if p.Valid() {
		return names[p]
	}
	return fmt.Sprintf("position(%d)", uint8(p))
}

// Valid tells whether p is one of the seven.
func (p Position) Valid() bool { return p < Count }

// Parse reads a variant's name, exactly as String writes it.
func Parse(name string) (Position, error) {
	for i, n := range names {
		if n == name {
			return Position(i), nil
		}
	}
	return Off, fmt.Errorf("position: unknown %q: accepted are off, mirror, fenced, read-new, sealed, cutover, back", name)
}

// All gives the positions in the order of their numbers.
func All() [Count]Position {
	return [Count]Position{Off, Mirror, Fenced, ReadNew, Sealed, Cutover, Back}
}

// Adjacent tells whether a session may go from a to b, or the other way, in
// one change, and so whether two agents may hold the same session in a and in
// b at one time. Off to Cutover are adjacent in a row; Back is adjacent to
// Cutover and to Sealed. No position is adjacent to itself: see Together.
func Adjacent(a, b Position) bool {
	if !a.Valid() || !b.Valid() {
		return false
	}
	if a > b {
		a, b = b, a
	}
	if b == Back {
		return a == Cutover || a == Sealed
	}
	return b-a == 1
}

// Together tells whether two agents may serve one session in a and in b at one
// time: the two are equal or adjacent.
func Together(a, b Position) bool { return a == b && a.Valid() || Adjacent(a, b) }

// Stage is the name that people see: mirror also stands for Fenced, read-new
// for Sealed. Back is "rollback".
func (p Position) Stage() string {
	switch p {
	case Off:
		return "off"
	case Mirror, Fenced:
		return "mirror"
	case ReadNew, Sealed:
		return "read-new"
	case Cutover:
		return "cutover"
	case Back:
		return "rollback"
	}
	return p.String()
}

// MarshalText writes the variant's name.
func (p Position) MarshalText() ([]byte, error) {
	if !p.Valid() {
		return nil, fmt.Errorf("position: %d is none of the seven", uint8(p))
	}
	return []byte(names[p]), nil
}

// UnmarshalText is Parse.
func (p *Position) UnmarshalText(b []byte) error {
	q, err := Parse(string(b))
	if err != nil {
		return err
	}
	*p = q
	return nil
}
