// Package gates judges a step of the plan: from what the fleet has seen since
// the step was done, each gate says pass, fail or inconclusive, with the numbers.
//
//	vs := gates.Judge(gates.Defaults(), gates.Seen{…})
//	steady.Look(vs)
//
// Judge is a pure function. A gate fails as soon as what was heard is enough to
// fail it; it passes only when it has enough samples and every agent was heard;
// in between it is inconclusive, and never counts as a pass.
package gates

import (
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/evidence"
)

// Names of the gates.
const (
	Logouts    = "logouts"    // would-be logouts, the upper bound
	Divergence = "divergence" // confirmed differences for each comparison
	P99        = "p99"        // new's p99 over old's, for reads and for writes
	Errors     = "errors"     // of requests, and of calls to new, above what they were before the step
	Timeouts   = "timeouts"   // of calls to new, above what they were before the step
	Marks      = "marks"      // sessions marked in old
	Synthetic  = "synthetic"  // round trips through each agent
	Copied     = "copied"     // a backfill and a verification that count
	Soak       = "soak"       // time since the step was done
	Fleet      = "fleet"      // every agent has acknowledged the step
	Samples    = "samples"    // requests since the step
)

// Alarms are the gates that hold the plan, or take it back, when they fail. The
// others only make it wait. Each has a limit in the plan.
var Alarms = []string{Logouts, Divergence, P99, Errors, Timeouts, Marks, Synthetic}

// Waits are the gates that only make the plan wait.
var Waits = []string{Fleet, Copied, Samples, Soak}

// Limits of one step. A gate whose limit is negative is not looked at.
type Limits struct {
	Logouts    float64 // sessions
	Divergence float64 // of the comparisons, 0 to 1
	P99        float64 // times old's
	Errors     float64 // of requests and calls, 0 to 1, more than before the step
	Timeouts   float64 // of calls, 0 to 1, more than before the step
	Marks      float64 // sessions
	Synthetic  float64 // round trips that failed in a row, at one agent
	// Copied is 0 where a backfill and a verification have to count, else Off.
	Copied float64
	// Samples is how many requests are wanted before a share of them says
	// something; a tenth of it for comparisons.
	Samples float64
}

// Off is the limit of a gate that is not looked at.
const Off = -1

// Defaults are the limits of a plan that names none.
func Defaults() Limits {
	return Limits{
		Logouts:    300,   // none among those that are followed: then the bound is 234
		Divergence: 0.001, // sessions that two clients write at once are some 1 in 10,000
		P99:        1.5,   // a page view makes three calls: nobody sees less
		Errors:     0.001,
		Timeouts:   0.001,
		Marks:      0, // they are put only when new did not take a write
		Synthetic:  2, // one may have met a restart of a store
		Samples:    200,
	}
}

// State of a gate.
type State string

const (
	Pass         State = "pass"
	Fail         State = "fail"
	Inconclusive State = "inconclusive"
)

// Verdict of one gate, with the numbers that it comes from.
type Verdict struct {
	Gate  string  `json:"gate"`
	State State   `json:"state"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	Text  string  `json:"text"` // the numbers in words; no id is in it
}

// Seen is all that a judgement goes by.
type Seen struct {
	// Step is what the fleet has seen since the step was done, Lately the last of
	// it, at most Window back; Base what was usual before the step. A share fails
	// in either: a fault of now is not thinned by a day that was good. Whether
	// there are enough samples is asked of Step.
	Step, Lately evidence.Evidence
	Base         Base
	Window       time.Duration
	// Agents that a step waits for; Silent are those of which nothing was heard
	// lately, Lagging say why they have not acknowledged the step.
	Agents  int
	Silent  []string
	Lagging []string
	// Open are the agents whose breaker of new is open.
	Open  []string
	Marks int64
	// Trips are the round trips through each agent.
	Trips []Trips
	// Logouts is nil where no estimate is to be had.
	Logouts *Estimate
	// Copied tells that a backfill and a verification count; CopiedKnown that
	// this could be told; NotCopied why they do not.
	Copied, CopiedKnown bool
	NotCopied           string
	// Since is how long the step has been done; negative: it is not. Soak is how
	// long it is to be.
	Since, Soak time.Duration
}

// Estimate of the would-be logouts.
type Estimate struct {
	Estimate, Upper float64
	Silent          int // agents whose sample is not in it
	Followed        int // sessions
	// Verified tells that a verification has looked at the idle, too.
	Verified bool
}

// Base is what was usual before a step: counts, so that two can be added.
type Base struct {
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
	Calls    uint64 `json:"calls"` // to new
	Errors   uint64 `json:"errors"`
	Timeouts uint64 `json:"timeouts"`
}

// Judge looks at every gate that has a limit, and at those that have none.
func Judge(l Limits, s *Seen) []Verdict {
	vs := []Verdict{}
	for _, g := range []struct {
		name  string
		limit float64
		judge func(float64, *Limits, *Seen) (State, float64, string)
	}{
		{Fleet, 0, fleet}, {Copied, l.Copied, copied},
		{Marks, l.Marks, marks}, {Synthetic, l.Synthetic, synthetic}, {Errors, l.Errors, twice(failures)}, {Timeouts, l.Timeouts, twice(timeouts)}, {P99, l.P99, twice(p99)},
		{Divergence, l.Divergence, twice(divergence)}, {Logouts, l.Logouts, logouts},
		{Samples, l.Samples, samples}, {Soak, s.Soak.Seconds(), soak},
	} {
		if g.limit < 0 {
			continue
		}
		state, value, text := g.judge(g.limit, &l, s)
		vs = append(vs, Verdict{Gate: g.name, State: state, Value: value, Limit: g.limit, Text: text})
	}
	return vs
}

// IsAlarm tells whether a gate that fails holds the plan.
func IsAlarm(gate string) bool {
	for _, a := range Alarms {
		if a == gate {
			return true
		}
	}
	return false
}
