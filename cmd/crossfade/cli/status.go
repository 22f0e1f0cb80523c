package cli

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/screen"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/control"
	"github.com/seed-41165957/crossfade/migrate/gates"
	"github.com/seed-41165957/crossfade/migrate/logouts"
)

func statusVerb(a *app) *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "One screen: stage, ramp, agents, and why it waits",
		Long: `One screen: stage, ramp, agents, and why it waits. With -w it is a live one: the
tree of stages, the plan's gates, the agents (those that a step waits for
first), in one line why it waits; q quits. Where the output is no terminal, it is
printed again each second. NO_COLOR is obeyed.`,
		Example: "  crossfade status\n  crossfade status -w",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.open(stepFlags{})
			if err != nil {
				return err
			}
			defer m.Close()
			if in, out, ok := a.live(); watch && ok && !a.json {
				return screen.Run(cmd.Context(), screen.Options{In: in, Out: out, Colour: screen.Colour(), Look: m.whole})
			}
			for {
				o, view, err := m.overview(cmd.Context())
				if err != nil {
					return err
				}
				a.overview(o)
				if view != nil && !a.json {
					a.windowOf(*view)
					a.roundTrips(*view)
				}
				if !watch {
					return nil
				}
				a.printf("\n")
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(time.Second):
				}
			}
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "a live screen; q quits")
	return cmd
}

// live is where a live screen can be drawn.
func (a *app) live() (in, out *os.File, ok bool) {
	in, okIn := a.in.(*os.File)
	out, okOut := a.out.(*os.File)
	return in, out, okIn && okOut && screen.Able(out)
}

// roundTrips says whether each agent still serves.
func (a *app) roundTrips(v control.PlanView) {
	for _, g := range v.Gates {
		if g.Gate == gates.Synthetic {
			a.printf("synthetic sessions: %s: %s\n", g.State, g.Text)
		}
	}
}

func (a *app) overview(o migrate.Overview) {
	if a.json {
		a.print(o)
		return
	}
	p := flags.PercentText
	a.printf("migration %s, revision %d: %s\n", o.Migration, o.Epoch, o.State)
	a.printf("mirror %s %%   read-new %s %% (settled %s %%)   cutover %s %%\n", p(o.Mirror), p(o.ReadNew), p(min(o.Settled, o.ReadNew)), p(o.Cutover))
	a.printf("waits for: %s\n", o.Why)
	if o.Down != "" {
		a.printf("declared down: %s\n", o.Down)
	}
	for _, p := range o.Pins {
		a.printf("pinned: session %s at %s\n", p.Hash, p.Position)
	}
	if o.Verified != nil {
		a.printf("verified: %s ago\n", time.Since(*o.Verified).Round(time.Second))
	}
	a.printf("%s\n", logoutsText(o.Logouts))
	if o.Copying != nil && o.Copying.Total > 0 {
		a.printf("%s: %d of %d\n", o.Copying.Job, o.Copying.Done, o.Copying.Total)
	}
	if o.Last != "" {
		a.printf("last step: %s\n", o.Last)
	}
	if o.EpochOld != nil && o.EpochNew != nil {
		a.printf("in the stores: old %s, new %s\n", epochText(*o.EpochOld), epochText(*o.EpochNew))
	}
	if len(o.Agents) > 0 {
		w := tabwriter.NewWriter(a.out, 2, 8, 2, ' ', 0)
		fmt.Fprintln(w, "\nAGENT\tADDRESS\tREVISION\tACKNOWLEDGED\tDIRTY NEW\tDIRTY OLD\tUNKNOWN\tQUEUED")
		for _, g := range o.Agents {
			if g.Status == nil {
				fmt.Fprintf(w, "%s\t%s\t-\tno answer\t-\t-\t-\t-\n", g.Name, g.Addr)
				continue
			}
			s := g.Status
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\n", g.Name, g.Addr, s.Epoch, yesNo(g.Acknowledged), s.DirtyNew, s.DirtyOld, s.UnknownOld+s.UnknownNew, s.Queued)
		}
		w.Flush()
	}
	if len(o.Waits) > 0 {
		a.printf("\nalso waits for:\n")
		for _, w := range o.Waits {
			a.printf("  - %s\n", w)
		}
	}
}

// logoutsText says how many sessions the next stage would lose.
func logoutsText(e logouts.Estimate) string {
	idle := "idle sessions: not verified yet"
	if e.IdleKnown {
		idle = fmt.Sprintf("idle sessions: %d left different by the verification %s ago", e.Unresolved, e.IdleAge.Round(time.Second))
	}
	text := fmt.Sprintf("would-be logouts: %.0f (95 %%: %.0f to %.0f), from %d sessions, one in %d of those read; %s", e.Estimate, e.Lower, e.Upper, e.Followed, e.Rate, idle)
	if e.Silent > 0 {
		text += fmt.Sprintf("; %d agents did not say", e.Silent)
	}
	return text
}

// epochText is the epoch in one store.
func epochText(v migrate.EpochView) string {
	switch {
	case v.Error != "":
		return "does not say (" + v.Error + ")"
	case v.Epoch == 0:
		return "has no epoch"
	}
	return fmt.Sprintf("has revision %d", v.Epoch)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
