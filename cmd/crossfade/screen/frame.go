package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/control"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

// View is what is shown.
type View struct {
	control.Overview
	// Seen is when it was; zero: nothing has been seen yet.
	Seen time.Time
	// Err is why there is nothing newer.
	Err error
}

// Frame is the screen of a view at a time: height lines at most, each in width
// columns at most, without line ends. What does not fit is left out from below,
// agents first: those that a step waits for stand above the others.
func Frame(v View, now time.Time, width, height int, colour bool) []string {
	head := v.head(now)
	foot := v.foot()
	ls := head
	if !v.Seen.IsZero() {
		ls = append(ls, v.stages(width)...)
		ls = append(ls, v.gates()...)
		ls = append(ls, v.agents(height-len(ls)-len(foot))...)
	}
	if room := height - len(ls); room >= len(foot) {
		ls = append(ls, foot...)
	}
	if height > 0 && len(ls) > height {
		ls = ls[:height]
	}
	out := make([]string, len(ls))
	for i, l := range ls {
		out[i] = l.render(width, colour)
	}
	return out
}

// head is what everybody wants to know: which, since when, and why it waits.
func (v View) head(now time.Time) []line {
	if v.Seen.IsZero() {
		ls := []line{in(bold, "crossfade")}
		if v.Err != nil {
			return append(ls, in(red, "no answer: "+v.Err.Error()))
		}
		return append(ls, text("asking …"))
	}
	first := line{{bold, v.Migration}, {plain, fmt.Sprintf("  revision %d", v.Epoch)}}
	if v.Server != "" {
		first = first.add(span{plain, "  server " + v.Server})
		if v.Leads {
			first = first.add(span{plain, ", leading"})
		}
	}
	ls := []line{first.add(span{dim, "  " + v.Seen.Local().Format(time.TimeOnly)})}
	if v.Err != nil {
		ls = append(ls, in(red, fmt.Sprintf("no answer for %v: %v", now.Sub(v.Seen).Round(time.Second), v.Err)))
	}
	st := yellow
	if strings.HasPrefix(v.Why, "nothing") {
		st = green
	}
	ls = append(ls, line{{bold, "waits for: "}, {st, v.Why}})
	if v.Down != "" {
		ls = append(ls, in(red, "declared down: "+v.Down))
	}
	return ls
}

// barWidth is how many columns a bar has: beside its words a line stays in 80.
const barWidth = 30

func bar(part, of int64) string {
	full := 0
	if of > 0 {
		full = int(barWidth * min(max(part, 0), of) / of)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", barWidth-full) + "]"
}

// stages are nested, as the cohorts are: whoever is in a later one has been
// through those before.
func (v View) stages(width int) []line {
	row := func(tree, name string, buckets int, more string) line {
		l := line{{dim, tree}, {plain, pad(name, 14-columns(tree))}, {bold, fmt.Sprintf("%8s %%  ", flags.PercentText(buckets))}}
		if width >= 14+12+barWidth+2 {
			l = l.add(span{plain, bar(int64(buckets), flags.Buckets)})
		}
		if more == "" {
			return l
		}
		return l.add(span{dim, "  " + more})
	}
	settled := ""
	if s := min(v.Settled, v.ReadNew); s > 0 {
		settled = flags.PercentText(s) + " % settled"
	}
	ls := []line{nil,
		row("", "sessions", flags.Buckets, v.State),
		row("└ ", "mirror", v.Mirror, ""),
		row("  └ ", "read-new", v.ReadNew, settled),
		row("    └ ", "cutover", v.Cutover, ""),
		nil}
	if e := v.Logouts; e.Followed > 0 || e.IdleKnown {
		st := plain
		if e.Estimate >= 1 {
			st = red
		}
		ls = append(ls, line{{plain, "would-be logouts: "}, {st, fmt.Sprintf("%.0f", e.Estimate)}, {dim, fmt.Sprintf("  (95 %%: %.0f to %.0f)", e.Lower, e.Upper)}})
	} else {
		ls = append(ls, text("would-be logouts: not known yet"))
	}
	if p := v.Doing; p != nil {
		ls = append(ls, doing(*p))
	} else if c := v.Copying; c != nil && !c.Ended && c.Total > 0 {
		ls = append(ls, doing(migrate.Progress{Phase: c.Job, Done: c.Done, Total: c.Total}))
	}
	if v.Plan != nil && v.Plan.RollbackLeft != nil {
		ls = append(ls, text("rollback: "+v.Plan.Window()))
	}
	return ls
}

func doing(p migrate.Progress) line {
	l := line{{bold, p.Phase}}
	if p.Total > 0 {
		l = l.add(span{plain, fmt.Sprintf(" %s %d of %d", bar(p.Done, p.Total), p.Done, p.Total)})
	}
	if p.Rate > 0 {
		l = l.add(span{plain, fmt.Sprintf(", %.0f/s", p.Rate)})
	}
	if p.ETA > 0 {
		l = l.add(span{plain, fmt.Sprintf(", %v left", p.ETA.Round(time.Second))})
	}
	if p.Detail != "" {
		l = l.add(span{dim, "  " + p.Detail})
	}
	return l
}

// gates are those of the plan's step.
func (v View) gates() (ls []line) {
	if v.Plan == nil {
		return nil
	}
	if p := v.Plan; p.Done < len(p.Steps) {
		ls = append(ls, nil, line{{plain, fmt.Sprintf("plan: %d of %d done, next is ", p.Done, len(p.Steps))}, {bold, p.Steps[p.Done].Text}})
	}
	for _, g := range v.Plan.Gates {
		mark, st := "…", yellow
		switch g.State {
		case gates.Pass:
			mark, st = "✓", green
		case gates.Fail:
			mark, st = "✗", red
		}
		// The mark says the state without colour, too.
		ls = append(ls, line{{st, "  " + mark + " " + pad(g.Gate, 12)}, {plain, " " + g.Text}})
	}
	return ls
}

// agents are in at most room lines; the last says how many more there are.
func (v View) agents(room int) []line {
	if len(v.Agents) == 0 || room < 3 {
		return nil
	}
	all := slices.Clone(v.Agents)
	slices.SortStableFunc(all, func(a, b migrate.AgentView) int { return urgency(b) - urgency(a) })
	name := len("AGENT")
	for _, g := range all {
		name = max(name, min(columns(g.Name), 24))
	}
	ls := []line{nil, in(dim, pad("AGENT", name)+"  REVISION  ACK  DIRTY  UNKNOWN  QUEUED  STATE")}
	for i, g := range all {
		if len(ls) == room-1 && i < len(all)-1 {
			return append(ls, in(dim, fmt.Sprintf("… and %d more agents", len(all)-i)))
		}
		label, _ := clip(g.Name, name, columns(g.Name) > name)
		l := line{{plain, pad(label, name)}}
		s := g.Status
		if s == nil {
			ls = append(ls, l.add(span{red, "         -   no answer"}, span{dim, "  " + g.Why}))
			continue
		}
		ack, st := "yes", green
		if !g.Acknowledged {
			ack, st = "no", yellow
		}
		state := span{plain, string(s.State)}
		if s.State != "ready" {
			state.style = red
		}
		l = l.add(span{plain, fmt.Sprintf("  %8d  ", s.Epoch)}, span{st, pad(ack, 3)},
			span{plain, fmt.Sprintf("  %5d  %7d  %6d  ", s.DirtyNew+s.DirtyOld, s.UnknownOld+s.UnknownNew, s.Queued)}, state)
		if g.Why != "" {
			l = l.add(span{dim, "  " + g.Why})
		}
		ls = append(ls, l)
	}
	return ls
}

// urgency is how much somebody should look at an agent.
func urgency(g migrate.AgentView) int {
	switch {
	case g.Status == nil:
		return 3
	case g.Status.State != "ready":
		return 2
	case !g.Acknowledged:
		return 1
	}
	return 0
}

// foot is how to get out.
func (v View) foot() []line { return []line{nil, in(dim, "q quits")} }
