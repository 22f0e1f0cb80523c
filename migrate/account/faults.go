package account

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
)

// Hold is a time in which no ramp went up.
type Hold struct {
	From  time.Time  `json:"from"`
	Until *time.Time `json:"until,omitempty"` // nil: it stands
	// Why names who holds, and the gate that failed or the reason that was given.
	Why string `json:"why"`
}

// Fault is something that befell the migration.
type Fault struct {
	migrate.Fault
	At time.Time `json:"at"`
	// Ended is how long it lasted, in words; empty: it has no end, or that was not
	// seen, since another server led by then.
	Ended string `json:"ended,omitempty"`
}

// hold notes one that begins or ends. What was refused is neither.
func (a *Account) hold(e audit.Entry) {
	n := len(a.Holds)
	stands := n > 0 && a.Holds[n-1].Until == nil
	switch {
	case e.Verb == "hold" && !stands && strings.HasPrefix(e.Outcome, "held"):
		a.Holds = append(a.Holds, Hold{From: e.At, Why: e.Outcome})
	case e.Verb == "release" && stands && strings.HasPrefix(e.Outcome, "released"):
		at := e.At
		a.Holds[n-1].Until = &at
	}
}

// fault notes one that begins, or the end of one that has begun.
func (a *Account) fault(e audit.Entry) {
	var f migrate.Fault
	if json.Unmarshal(e.Args, &f) != nil {
		return // of another version
	}
	if e.Outcome != migrate.FaultSeen {
		for i := range a.Faults {
			if a.Faults[i].ID == f.ID { // by its end more agents have seen it
				a.Faults[i].Agents, a.Faults[i].Of, a.Faults[i].Ended = f.Agents, f.Of, e.Outcome
				return
			}
		}
	}
	a.Faults = append(a.Faults, Fault{Fault: f, At: e.At, Ended: strings.TrimSuffix(e.Outcome, migrate.FaultSeen)})
}

// befell says what the gates said at each step, and what stood in the way.
func (a *Account) befell(say func(format string, args ...any)) {
	say("\n## Gates when a step was asked for\n")
	none := true
	for _, x := range a.Asked {
		if len(x.Gates) == 0 {
			continue
		}
		none = false
		say("\n%s, %s, by %s: %s.\n\n| gate | said | numbers |\n| --- | --- | --- |\n", x.At.Format(time.DateTime), cell(x.What), cell(x.Who), cell(x.Ended))
		for _, g := range x.Gates {
			say("| %s | %s | %s |\n", g.Gate, g.State, cell(g.Text))
		}
	}
	if none {
		say("\nNone: gates are looked at while a server leads.\n")
	}
	say("\n## Holds\n\n| from (UTC) | until | why |\n| --- | --- | --- |\n")
	for _, h := range a.Holds {
		until := "it stands"
		if h.Until != nil {
			until = h.Until.Format(time.DateTime)
		}
		say("| %s | %s | %s |\n", h.From.Format(time.DateTime), until, cell(h.Why))
	}
	say("\n## Faults that were seen\n\n| when (UTC) | store | what | by | lasted |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range a.Faults {
		what := "given up by agents (breaker)"
		switch f.What {
		case migrate.FaultFailover:
			what = "another server answers in its place (failover)"
		case migrate.FaultDown:
			if len(f.Agents) == f.Of {
				what = "given up by all agents (breaker)"
			}
		}
		say("| %s | %s | %s | %s of %d agents | %s |\n", f.At.Format(time.DateTime), f.Store, what, cell(strings.Join(f.Agents, ", ")), f.Of, cell(f.Ended))
	}
}
