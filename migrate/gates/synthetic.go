package gates

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Trips is what is known of one agent's round trips with synthetic sessions.
type Trips struct {
	Agent string
	// Known: one ended lately, or none is made there, for the reason Off.
	Known bool
	Off   string
	// Failed is how many of the last failed in a row, and Why the last one did.
	Failed int
	Why    string
	Took   time.Duration // of the last one
}

// synthetic is whether each agent still writes, reads, touches and deletes. It is
// about agents, not about sessions: no share of anything is in it.
func synthetic(limit float64, _ *Limits, s *Seen) (State, float64, string) {
	worst, slowest, made := 0, time.Duration(0), 0
	var failed, unknown, off []string
	for _, t := range s.Trips {
		switch {
		case !t.Known:
			unknown = append(unknown, t.Agent)
		case t.Off != "":
			if text := t.Agent + ": " + t.Off; len(off) < 3 {
				off = append(off, text)
			}
		case t.Failed > 0:
			worst = max(worst, t.Failed)
			failed = append(failed, fmt.Sprintf("%s: %s (%d in a row)", t.Agent, t.Why, t.Failed))
		default:
			made++
			slowest = max(slowest, t.Took)
		}
	}
	slices.Sort(failed)
	switch text := strings.Join(failed, "; "); {
	case worst > 0 && float64(worst) >= limit:
		return Fail, float64(worst), text
	case len(unknown) > 0:
		return Inconclusive, float64(worst), "no round trip lately through " + strings.Join(unknown, ", ")
	case worst > 0:
		return Inconclusive, float64(worst), fmt.Sprintf("%s, wanted %.0f before that counts", text, limit)
	case len(s.Trips) == 0:
		return Inconclusive, 0, "no agent is in the roster"
	case made == 0:
		return Pass, 0, "none is made: " + strings.Join(off, "; ")
	}
	return Pass, 0, fmt.Sprintf("round trips through %d of %d agents, the slowest in %v", made, len(s.Trips), round(slowest))
}
