package watchtest

import "math"

// The faults, in the order in which they are made.
const (
	newSlowInMirror = "new is slow, in mirror"
	newSlow         = "new is slow"
	newStalled      = "new is stalled"
	oldCut          = "old is cut off"
	oldRestarts     = "old restarts while marks stand"
	newLoses        = "new loses sessions"
	writesPast      = "somebody writes past the agents"
	clientsFight    = "clients fight over a lock, log out, and say what is not spoken"
	logFlood        = "the log is flooded"
	verifiedAgain   = "a verification is run again"
	copySlow        = "a backfill is slow"
	flagsLost       = "the flag file does not reach one agent, while the ramp moves"
	rampMoved       = "the ramp is moved to read-new"
	fallbackHides   = "new loses sessions, in read-new"
	agentEnds       = "an agent ends"
	versionSkew     = "an agent of another version"
	cutOver         = "the ramp is moved to cutover"
)

var expectations = []expectation{
	{"migration", "Mirror lag", "", "", below(.1), newSlowInMirror, to(above(.3))},
	{"migration", "Mirror queue", "A", "", below(5), newSlowInMirror, to(above(20))},
	{"migration", "Mirror queue", "B", "", is(0), newSlowInMirror, to(above(1))},
	{"migration", "Mirror queue, bytes", "", "", below(5 * 300), newSlowInMirror, to(above(20 * 256))},
	{"agents", "Mirror queue", "", "", below(5), newSlowInMirror, to(above(20))},

	{"migration", "Store latency, p99", "", "store=new", below(.25), newSlow, to(above(.25))},
	{"migration", "Store latency, median", "", "store=new", below(.1), newSlow, to(above(.2))},
	{"migration", "Request latency, p99", "", "class=write", below(.25), newSlow, to(above(.25))},
	{"agents", "Request latency, p99", "", "", below(.5), newSlow, to(above(.5))},

	{"migration", "Store errors", "", "store=new,reason=timeout", is(0), newStalled, to(above(1))},
	{"migration", "Not clean", "A", "", below(3), newStalled, to(above(5))},
	{"migration", "Not clean", "B", "", below(3), newStalled, to(above(5))},
	{"migration", "Not clean", "C", "", is(0), newStalled, to(above(0))},
	{"migration", "Gates shut", "", "", is(0), newStalled, to(above(0))},
	{"migration", "Gates", "", "gate=dirty-new", is(0), newStalled, to(is(1))},
	{"migration", "Marks", "A", "", below(3), newStalled, to(above(5))},
	{"migration", "Marks", "B", "", is(0), oldRestarts, to(above(0))},
	{"migration", "Dirty sessions", "", "store=new", below(3), newStalled, to(above(5))},
	{"migration", "Comparisons", "", "result=match", above(.5), newStalled, falls(.3)},
	{"agents", "Store errors", "", "store=new,reason=timeout", is(0), newStalled, to(above(1))},
	{"agents", "Breaker open", "", "store=new", is(0), newStalled, to(above(0))},
	{"agents", "Connections", "", "store=old", above(0), oldCut, falls(.7)},
	{"agents", "Parked connections", "", "", is(0), newStalled, to(above(0))},
	{"agents", "Unknown calls", "", "store=new", is(0), newStalled, to(above(0))},
	{"agents", "Dirty sessions", "", "store=new", below(3), newStalled, to(above(5))},
	{"migration", "Repairs", "", "store=new,result=left", is(0), newStalled, to(above(0))},
	{"migration", "Copies by agents", "", "copy=repair", is(0), newStalled, to(above(0))},

	{"migration", "Requests answered with an error", "", "", is(0), oldCut, to(above(.1))},
	{"agents", "Requests answered with an error", "", "", is(0), oldCut, to(above(.1))},

	{"migration", "Would-be logouts", "A", "", is(0), newLoses, to(above(60))},
	{"migration", "Would-be logouts", "B", "", is(0), newLoses, to(above(0))},
	{"migration", "Would-be logouts", "C", "", is(234), newLoses, to(above(300))},
	{"migration", "Would-be logouts, with bounds", "A", "", is(0), newLoses, to(above(60))},
	{"migration", "Would-be logouts, with bounds", "B", "", is(0), newLoses, to(above(0))},
	{"migration", "Would-be logouts, with bounds", "C", "", is(234), newLoses, to(above(300))},
	{"migration", "Sessions that differ", "", "", is(0), newLoses, to(above(0))},
	{"migration", "Divergences by class", "", "class=missing_new", is(0), newLoses, to(above(0))},

	{"migration", "Divergences by cause", "", "cause=bypass", is(0), writesPast, to(above(0))},
	{"migration", "Past the layer", "", "", is(0), writesPast, to(above(0))},

	{"migration", "Lock conflicts", "", "", is(0), clientsFight, to(above(1))},
	{"migration", "Tombstones", "", "", is(0), clientsFight, to(above(5))},
	{"agents", "Unsupported commands", "", "class=flush", is(0), clientsFight, to(above(1))},
	{"agents", "Log records dropped", "", "", is(0), logFlood, to(above(100))},

	{"migration", "Idle sessions: age of the last look", "", "", above(0), verifiedAgain, func(before, now float64) bool { return now < before-1 }},
	{"migration", "Copy progress", "", "", is(1), copySlow, to(func(v float64) bool { return v < .99 })},

	{"agents", "Revisions behind", "", "", is(0), flagsLost, to(above(0))},
	{"agents", "Age of the flags", "", "", below(4), flagsLost, to(above(5))},
	{"migration", "Agents acknowledged", "", "", is(1), flagsLost, to(is(.5))},

	{"migration", "Ramp", "", "stage=read-new", is(0), rampMoved, to(is(1))},
	{"migration", "Requests by position", "", "position=read-new", is(0), rampMoved, grows(50)},

	{"migration", "Fallbacks", "", "reason=miss", is(0), fallbackHides, to(above(.3))},
	{"migration", "Copies by agents", "", "copy=refill", is(0), fallbackHides, to(above(.3))},

	{"agents", "Requests", "", "instance=second", above(5), agentEnds, to(is(0))},
	{"agents", "Scraped", "", "", is(2), agentEnds, to(is(1))},
	{"agents", "Agents by version", "", "version=2", is(0), versionSkew, to(is(1))},

	{"migration", "Rollback window", "", "", is(math.Inf(1)), cutOver, to(below(3601))},
}
