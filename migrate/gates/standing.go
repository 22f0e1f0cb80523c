package gates

import (
	"fmt"
	"strings"
	"time"
)

// logouts is the upper bound of the would-be logouts. Before a verification
// nothing is known of idle sessions: the gate copied waits for that.
func logouts(limit float64, _ *Limits, s *Seen) (State, float64, string) {
	e := s.Logouts
	if e == nil {
		return Inconclusive, 0, "no estimate yet"
	}
	text := fmt.Sprintf("%.0f, at most %.0f, from %d followed sessions; wanted at most %.0f", e.Estimate, e.Upper, e.Followed, limit)
	switch {
	case e.Upper > limit:
		return Fail, e.Upper, text
	case e.Silent > 0 || len(s.Silent) > 0:
		return Inconclusive, e.Upper, fmt.Sprintf("%d agents did not give their sample: %s", max(e.Silent, len(s.Silent)), text)
	case e.Followed == 0 && !e.Verified:
		return Inconclusive, e.Upper, "no session is followed yet"
	}
	return Pass, e.Upper, text
}

// marks are sessions of which new surely lacks a write, or may.
func marks(limit float64, _ *Limits, s *Seen) (State, float64, string) {
	n := float64(s.Marks)
	text := fmt.Sprintf("%d sessions are marked in old, wanted at most %.0f", s.Marks, limit)
	switch {
	case n > limit:
		return Fail, n, text
	case len(s.Silent) > 0:
		return Inconclusive, n, "not heard: " + strings.Join(s.Silent, ", ")
	}
	return Pass, n, text
}

// copied is whether a backfill and a verification count.
func copied(_ float64, _ *Limits, s *Seen) (State, float64, string) {
	switch {
	case !s.CopiedKnown:
		return Inconclusive, 0, "the record cannot be read"
	case !s.Copied:
		return Fail, 0, s.NotCopied
	}
	return Pass, 1, "backfill and verification count"
}

// fleet is whether every agent has acknowledged the step.
func fleet(_ float64, _ *Limits, s *Seen) (State, float64, string) {
	switch {
	case len(s.Lagging) > 0:
		return Fail, float64(len(s.Lagging)), strings.Join(s.Lagging, "; ")
	case len(s.Silent) > 0:
		return Inconclusive, float64(len(s.Silent)), "not heard: " + strings.Join(s.Silent, ", ")
	case s.Agents == 0:
		return Inconclusive, 0, "no agent is in the roster"
	}
	return Pass, 0, fmt.Sprintf("%d agents have acknowledged", s.Agents)
}

// samples is whether there were enough requests for the others to say something.
func samples(limit float64, _ *Limits, s *Seen) (State, float64, string) {
	all, _ := s.Step.Asked()
	text := fmt.Sprintf("%d requests since the step, wanted %.0f", all, limit)
	switch {
	case float64(all) >= limit:
		return Pass, float64(all), text
	case len(s.Silent) > 0:
		return Inconclusive, float64(all), "not heard: " + strings.Join(s.Silent, ", ")
	}
	return Fail, float64(all), text
}

// soak is whether the step has stood for as long as the plan says.
func soak(_ float64, _ *Limits, s *Seen) (State, float64, string) {
	switch {
	case s.Since < 0:
		return Inconclusive, 0, "the step is not done"
	case s.Soak == 0:
		return Pass, 0, "it does not soak" // nor has it a beginning, before the first step
	case s.Since < s.Soak:
		return Fail, s.Since.Seconds(), fmt.Sprintf("%v left of %v", (s.Soak - s.Since).Round(time.Second), s.Soak)
	}
	return Pass, s.Since.Seconds(), fmt.Sprintf("stood for %v of %v", s.Since.Round(time.Second), s.Soak)
}
