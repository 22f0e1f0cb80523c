// Package account is what is told of a migration afterwards: what was moved
// when and by whom, what was held or refused, and the figures.
//
//	a := account.Of(overview, entries, checked, time.Now())
//	fmt.Print(a.Markdown())
//
// It is made of the audit log and of the migration as it stands; nothing in it is
// remembered elsewhere. No session id is in it.
package account

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
)

// Account of one migration.
type Account struct {
	Migration string    `json:"migration"`
	At        time.Time `json:"at"`
	State     string    `json:"state"`
	Why       string    `json:"waits_for"`
	Mirror    int       `json:"mirror"` // of 10,000, as the next two
	ReadNew   int       `json:"read_new"`
	Cutover   int       `json:"cutover"`
	// Asked is what was asked for, Revisions what was published.
	Asked     []Asked                     `json:"asked"`
	Revisions []Revision                  `json:"revisions"`
	Copies    map[string]map[string]int64 `json:"copies"` // of the last of each job
	// Estimate and Upper are the would-be logouts now.
	Estimate float64  `json:"would_be_logouts"`
	Upper    float64  `json:"would_be_logouts_upper"`
	Agents   []string `json:"agents"`
	// Holds and Faults are what stood in the way. Faults are seen while a server
	// leads.
	Holds  []Hold        `json:"holds"`
	Faults []Fault       `json:"faults"`
	Log    audit.Checked `json:"log"`
}

// Asked is one thing that somebody asked for, or that the plan did: also a hold,
// a release, a refusal.
type Asked struct {
	At    time.Time     `json:"at"`
	Took  time.Duration `json:"took_ns,omitempty"`
	Who   string        `json:"who"`
	Why   string        `json:"why,omitempty"`
	What  string        `json:"what"`
	Ended string        `json:"ended"` // done, a refusal or error, or asked: it has not
	// Gates are what the plan's gates said when it was asked for.
	Gates []audit.Gate `json:"gates,omitempty"`
}

// Revision is one that was published.
type Revision struct {
	Epoch uint64    `json:"epoch"`
	At    time.Time `json:"at"`
	// Stood is how long it was the newest; of the last one until now.
	Stood time.Duration `json:"stood_ns"`
	Who   string        `json:"who"`
	Text  string        `json:"text"`
	Back  []string      `json:"taking_it_back"`
}

// Of makes the account of a migration as it stands, and of its log.
func Of(o migrate.Overview, es []audit.Entry, c audit.Checked, now time.Time) Account {
	a := Account{Migration: o.Migration, At: now.UTC(), State: o.State, Why: o.Why, Mirror: o.Mirror, ReadNew: o.ReadNew, Cutover: o.Cutover,
		Copies: o.Copies, Estimate: o.Logouts.Estimate, Upper: o.Logouts.Upper, Log: c, Asked: []Asked{}, Revisions: []Revision{}, Agents: []string{}, Holds: []Hold{}, Faults: []Fault{}}
	for _, g := range o.Agents {
		a.Agents = append(a.Agents, g.Name)
	}
	open := map[string]int{} // by what was asked: where it stands in Asked
	for _, e := range es {
		switch e.Verb {
		case migrate.FaultVerb:
			a.fault(e)
			continue
		case "sign-in", "sign-out": // nothing was asked of the migration
			continue
		case "hold", "release":
			a.hold(e)
		}
		if e.Verb == migrate.RevisionVerb {
			if n := len(a.Revisions); n > 0 {
				a.Revisions[n-1].Stood = e.At.Sub(a.Revisions[n-1].At)
			}
			a.Revisions = append(a.Revisions, Revision{Epoch: e.Epoch, At: e.At, Stood: now.Sub(e.At), Who: e.Who, Text: e.Text, Back: e.Back})
			continue
		}
		key := e.Goal + " " + e.Verb + " " + string(e.Args)
		if i, ok := open[key]; ok && e.Outcome != audit.Asked {
			a.Asked[i].Ended, a.Asked[i].Took = e.Outcome, e.At.Sub(a.Asked[i].At)
			delete(open, key)
			continue
		}
		if e.Outcome == audit.Asked {
			if _, resumed := open[key]; resumed { // by another server
				continue
			}
			open[key] = len(a.Asked)
		}
		a.Asked = append(a.Asked, Asked{At: e.At, Who: e.Who, Why: e.Why, What: words(e), Ended: e.Outcome, Gates: e.Gates})
	}
	return a
}

func words(e audit.Entry) string {
	if len(e.Args) <= 2 || string(e.Args) == "null" {
		return e.Verb
	}
	return e.Verb + " " + string(e.Args)
}

// Markdown is the account for people.
func (a Account) Markdown() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p := flags.PercentText
	say("# Migration %s\n\nAs of %s: %s. Waits for: %s.\n\n", a.Migration, a.At.Format(time.DateTime), a.State, cell(a.Why))
	say("| stage | sessions |\n| --- | --- |\n| at least mirror | %s %% |\n| at least read-new | %s %% |\n| cutover | %s %% |\n", p(a.Mirror), p(a.ReadNew), p(a.Cutover))
	say("\n## Figures\n\nWould-be logouts: %.0f, at most %.0f. Agents: %d.\n", a.Estimate, a.Upper, len(a.Agents))
	for _, job := range []string{"backfill", "verification"} {
		c := a.Copies[job]
		if c == nil {
			continue
		}
		say("\n%s: %d sessions, %d copied, %d same, %d unresolved.\n", strings.ToUpper(job[:1])+job[1:], c["sessions"], c["copied"], c["same"], c["unresolved"])
		for _, class := range []string{"missing_new", "missing_old", "value", "flags", "expiry", "old_regressed"} {
			if c[class] > 0 {
				say("- %s: %d\n", class, c[class])
			}
		}
	}
	say("\n## What was asked for\n\n| when (UTC) | by | what | why | came to | took |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, x := range a.Asked {
		say("| %s | %s | %s | %s | %s | %v |\n", x.At.Format(time.DateTime), cell(x.Who), cell(x.What), cell(x.Why), cell(x.Ended), x.Took.Round(time.Millisecond))
	}
	a.befell(say)
	say("\n## Revisions\n\n| revision | when (UTC) | by | what | stood | taking it back |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range a.Revisions {
		say("| %d | %s | %s | %s | %v | %s |\n", r.Epoch, r.At.Format(time.DateTime), cell(r.Who), cell(r.Text), r.Stood.Round(time.Second), cell(strings.Join(r.Back, "; ")))
	}
	say("\n## Log\n\n%d entries; the last has the sum `%s`.\n", a.Log.Entries, a.Log.Sum)
	for _, bad := range a.Log.Bad {
		say("- it is not as it was written: %s\n", bad)
	}
	return b.String()
}

// cell is a text that a table can hold.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(s)
}
