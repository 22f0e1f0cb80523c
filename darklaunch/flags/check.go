package flags

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Problem is one thing that is wrong with a definition.
type Problem struct {
	// Line of the file, from 1; 0 when there is no file.
	Line int
	// Pointer is the JSON pointer of the value, such as /metadata/epoch.
	Pointer string
	// Text says what is wrong and what is accepted.
	Text string
}

func (p Problem) String() string {
	if p.Line > 0 {
		return fmt.Sprintf("line %d: %s: %s", p.Line, p.Pointer, p.Text)
	}
	return p.Pointer + ": " + p.Text
}

// ProblemError is every problem of one definition, in the order of the file.
type ProblemError struct {
	Problems []Problem
}

func (e *ProblemError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return "flags: " + strings.Join(texts, "; ")
}

// Where a definition's parts stand in the file.
const (
	ptrFlag       = "/flags/" + Key
	ptrDefault    = ptrFlag + "/defaultVariant"
	ptrFractional = ptrFlag + "/targeting/fractional"
	ptrMeta       = "/metadata"
	ptrFloor      = ptrMeta + "/cutover_floor"
	ptrSettled    = ptrMeta + "/settled"
	pinPrefix     = "pin."
)

// MaxPins is how many sessions may be pinned at once: some 5 MB of file.
const MaxPins = 100_000

var (
	migrationName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	bucketingID   = regexp.MustCompile(`^[A-Za-z0-9._-]{0,64}$`)
)

// problems is everything that is wrong with one revision taken alone. What may
// follow what is Next's.
func (d *Definition) problems() []Problem {
	var ps []Problem
	add := func(ptr, format string, args ...any) {
		ps = append(ps, Problem{Pointer: ptr, Text: fmt.Sprintf(format, args...)})
	}
	w := d.Weights
	sum := 0
	for i, p := range Ladder {
		if w[p] < 0 {
			add(fmt.Sprintf("%s/%d", ptrFractional, i), "weight %d of %v: accepted are 0 to 10000", w[p], p)
		}
		sum += w[p]
	}
	if sum != Buckets {
		add(ptrFractional, "weights add up to %d: they must add up to 10000", sum)
	}
	switch {
	case !d.Default.Valid() || w[d.Default] <= 0:
		add(ptrDefault, "%v holds no sessions: accepted is a variant with weight; the last known stage is %v", d.Default, DefaultOf(w))
	case d.Default == position.Off && w[position.Off] != Buckets:
		add(ptrDefault, "off while other positions hold sessions: accepted is the last known stage, %v", DefaultOf(w))
	}
	if !migrationName.MatchString(d.Migration) {
		add(ptrMeta+"/migration", "%q: accepted is a name of 1 to 32 of a-z, 0-9 and -", d.Migration)
	}
	if !bucketingID.MatchString(d.Bucketing) {
		add(ptrMeta+"/bucketing", "%q: accepted are up to 64 of A-Z, a-z, 0-9, dot, _ and -; empty for the flag's name", d.Bucketing)
	}
	if d.Epoch == 0 || d.Epoch > maxInt {
		add(ptrMeta+"/epoch", "%d: accepted is an integer of 1 to %d", d.Epoch, uint64(maxInt))
	}
	if been := w[position.Cutover] + w[position.Back]; d.CutoverFloor < been || d.CutoverFloor > Buckets {
		add(ptrFloor, "%d, but cutover and back hold %d buckets: accepted are %d to 10000", d.CutoverFloor, been, been)
	}
	if end := w.atLeast(position.ReadNew); d.Settled < 0 || d.Settled > end {
		add(ptrSettled, "%d, but read-new ends at bucket %d: accepted are 0 to %d", d.Settled, end, end)
	}
	if d.DeclaredDown > OldRecovering {
		add(ptrMeta+"/declared_down", `%d: accepted are "old", "new", "old-locks-in-new", "old-recovering" and ""`, d.DeclaredDown)
	}
	return append(append(ps, d.onlyProblems()...), d.pinProblems()...)
}

var agentName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// onlyProblems: off and mirror may stand beside each other for ever, what is
// further may not.
func (d *Definition) onlyProblems() (ps []Problem) {
	const ptr = ptrMeta + "/only"
	for i, name := range d.Only {
		if !agentName.MatchString(name) || i > 0 && d.Only[i-1] >= name {
			ps = append(ps, Problem{Pointer: ptr, Text: fmt.Sprintf("%q: accepted are names of agents, in order, each once, with commas between them", name)})
		}
	}
	further := d.Weights[position.Off]+d.Weights[position.Mirror] != Buckets
	for _, p := range d.Pins {
		further = further || p != position.Off && p != position.Mirror
	}
	if len(d.Only) > 0 && further {
		ps = append(ps, Problem{Pointer: ptr, Text: "names some agents while sessions are further than mirror: accepted is no such key"})
	}
	return ps
}

// maxInt is the largest number that survives every JSON reader (2^53-1).
const maxInt = 1<<53 - 1

func (d *Definition) pinProblems() []Problem {
	var ps []Problem
	if len(d.Pins) > MaxPins {
		ps = append(ps, Problem{Pointer: ptrMeta, Text: fmt.Sprintf("%d pins: at most %d sessions can be pinned", len(d.Pins), MaxPins)})
	}
	seed := d.Bucketing
	if seed == "" {
		seed = Key
	}
	b := newBucketer(seed)
	for _, h := range d.pinned() {
		p := d.Pins[h]
		ptr := ptrMeta + "/" + pinPrefix + h.String()
		if !p.Valid() {
			ps = append(ps, Problem{Pointer: ptr, Text: fmt.Sprintf("%v: accepted are %s", p, variantList)})
			continue
		}
		// Nothing but the floor remembers that a session has been in cutover,
		// and a pin may be gone tomorrow.
		if at := int(b.bucket(&h)); (p == position.Cutover || p == position.Back) && at >= d.CutoverFloor {
			ps = append(ps, Problem{Pointer: ptr, Text: fmt.Sprintf("%v in bucket %d, but cutover_floor is %d: "+
				"a session can be pinned there only below the floor, which remembers that it was there", p, at, d.CutoverFloor)})
		}
	}
	return ps
}

const variantList = "cutover, back, sealed, read-new, fenced, mirror, off"
