package plan

import (
	"fmt"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// order of what a plan may do; what is lower comes first.
var order = map[string]int{"off": 0, Mirror: 1, Backfill: 2, Verify: 3, ReadNew: 4, Cutover: 5}

// lint finds what is wrong with a plan whose every word is right: each rule is
// one that a step would be refused for later, or that takes away the time to see
// that a step was bad.
func lint(p *Plan) (ps []Problem) {
	bad := func(s Step, format string, args ...any) {
		ps = append(ps, Problem{s.Line, fmt.Sprintf("%v: ", s) + fmt.Sprintf(format, args...)})
	}
	reached := map[string]int{} // buckets by stage; 1 for what is done
	last := Step{}
	for _, s := range p.Steps {
		word := s.Ramp + s.Do
		switch {
		case order[word] < order[last.Ramp+last.Do]:
			bad(s, "comes after %v: accepted is the order mirror, backfill, verify, read-new, cutover", last)
		case s.Ramp != "" && s.To <= reached[word]:
			bad(s, "%s is at %s already: a plan only goes up, so that no session moves back", word, flags.PercentText(reached[word]))
		case s.Do != "" && reached[word] > 0:
			bad(s, "stands there twice")
		}
		switch {
		case s.Do == Backfill && reached[Mirror] < flags.Buckets:
			bad(s, "comes before ramp mirror 100: what is not mirrored would be behind as soon as it is copied")
		case s.Do == Verify && reached[Backfill] == 0:
			bad(s, "comes before backfill")
		case s.Ramp == ReadNew && reached[Verify] == 0:
			bad(s, "comes before backfill and verify: a session that nobody wrote since the mirror began would be missed in new")
		case s.Ramp == Cutover && s.To > reached[ReadNew]:
			bad(s, "read-new is at %s: a cohort is in read-new before it is cut over", flags.PercentText(reached[ReadNew]))
		case s.Ramp == Cutover && last.Soak == 0:
			bad(s, "%v before it has no soak: in cutover new's faults reach clients, so it must have stood before", last)
		}
		if s.Do != "" && s.Soak > 0 {
			bad(s, "soak stands beside do: let the ramp after it soak")
		}
		if s.Back != "" && !before(s.Back, s.Ramp) {
			bad(s, "on_failure: rollback %s goes nowhere from here: accepted is a stage before", s.Back)
		}
		if s.Ramp != "" {
			reached[s.Ramp] = max(reached[s.Ramp], s.To)
		} else {
			reached[s.Do] = 1
		}
		last = s
	}
	return ps
}

// before tells whether a rollback to a stage takes a step of this stage back.
func before(back, ramp string) bool {
	return ramp != "" && order[back] < order[ramp] && (back != Mirror || ramp != Mirror)
}
