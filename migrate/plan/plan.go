// Package plan is the way of a migration from off to cutover: its steps, how
// long each soaks, which gates it has to pass, and what is done when one fails.
//
//	p, err := plan.Load("plan.yaml") // or plan.Default()
//	done := p.Done(plan.Where{Mirror: 10_000, Backfilled: true})
//	next := p.Steps[done]
//
// How far a migration is in its plan is read off what it has reached, not
// remembered: after a rollback, or a ramp by hand, the plan goes on from where
// the migration is.
package plan

import (
	_ "embed"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

// Plan is a way in steps. It is not changed after it was made.
type Plan struct {
	Name string // of the file; empty: the one that is built in
	// Window is how far back shares are looked at, beside the whole step.
	Window time.Duration
	Steps  []Step // at least one
}

// Step is one of them: either Ramp or Do is set.
type Step struct {
	Ramp string // mirror, read-new, cutover
	To   int    // of 10,000 buckets, with Ramp
	Do   string // backfill, verify
	// Soak is how long it has to stand, with its gates passing, before the next.
	Soak   time.Duration
	Limits gates.Limits
	// Back is the stage that a failed gate takes all sessions back to; empty: the
	// plan is held.
	Back string
	Line int // in the file
}

// Accepted words.
const (
	Mirror   = "mirror"
	ReadNew  = "read-new"
	Cutover  = "cutover"
	Backfill = "backfill"
	Verify   = "verify"
)

// String is the step as it is typed.
func (s Step) String() string {
	if s.Do != "" {
		return s.Do
	}
	return fmt.Sprintf("ramp %s %s", s.Ramp, flags.PercentText(s.To))
}

// Where is what a migration has reached: buckets that are at least in each
// stage, and what counts of its copies.
type Where struct {
	Mirror, ReadNew, Cutover int
	Backfilled, Verified     bool
}

// Done is how many of the steps, from the first, have been reached.
func (p *Plan) Done(w Where) int {
	for i, s := range p.Steps {
		if !s.reached(w) {
			return i
		}
	}
	return len(p.Steps)
}

func (s *Step) reached(w Where) bool {
	switch {
	case s.Ramp == Mirror:
		return w.Mirror >= s.To
	case s.Ramp == ReadNew:
		return w.ReadNew >= s.To
	case s.Ramp == Cutover:
		return w.Cutover >= s.To
	case s.Do == Backfill: // a verification needs none, but one that counts had it
		return w.Backfilled || w.Verified || w.ReadNew > 0
	}
	return w.Verified || w.ReadNew > 0
}

//go:embed default.yaml
var defaultText []byte

// DefaultText is the file of the plan that is built in.
func DefaultText() []byte { return defaultText }

// Default is the plan that is built in.
func Default() *Plan {
	p, err := Parse("default.yaml", defaultText)
	if err != nil {
		panic("plan: the default: " + err.Error()) // its test parses it too
	}
	p.Name = ""
	return p
}
