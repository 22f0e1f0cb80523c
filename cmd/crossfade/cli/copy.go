package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/migrate"
)

func backfillVerb(a *app) *cobra.Command {
	return a.copyVerb(migrate.JobBackfill, &cobra.Command{
		Use:   "backfill",
		Short: "Copy what old held before the mirror began",
		Long: `Copy what old held before the mirror began. Mirror must be at 100 %: the fence
is published for all sessions first. One that was stopped goes on from where it
was, where old can be listed from a place on (MySQL, Redis; not memcached), the
flags are the same and no agent has died. It goes slower while a store answers
later than before it began.`,
		Example: "  crossfade backfill --dry-run\n  crossfade backfill",
	}, func(ctx context.Context, m *opened) (migrate.Plan, error) {
		return m.PlanBackfill(ctx)
	}, func(ctx context.Context, m *opened, p func(migrate.Progress)) (migrate.Report, error) {
		return m.Backfill(ctx, p)
	})
}

func verifyVerb(a *app) *cobra.Command {
	var sample string
	cmd := a.copyVerb(migrate.JobVerify, &cobra.Command{
		Use:   "verify",
		Short: "Compare both stores in both directions, and correct what differs",
		Long: `Compare both stores in both directions while clients write, correct what
differs, and look again until nothing does. Exit code 1 when something stays
different. The first read-new needs it.

With --sample it looks at a share of the sessions, the same in each run, and says
between which bounds the share that differs lies in all of them. That opens no
gate: read-new needs a verification of all.`,
		Example: "  crossfade verify --json\n  crossfade verify --sample 5%",
	}, func(ctx context.Context, m *opened) (migrate.Plan, error) {
		share, err := shareIn(sample)
		if err != nil {
			return migrate.Plan{}, err
		}
		return m.PlanVerify(ctx, share)
	}, func(ctx context.Context, m *opened, p func(migrate.Progress)) (migrate.Report, error) {
		share, err := shareIn(sample)
		if err != nil {
			return migrate.Report{}, err
		}
		return m.Verify(migrate.WithSample(ctx, share), p)
	})
	cmd.Flags().StringVar(&sample, "sample", "", "look at a share of the sessions alone, as 5%; then no gate opens")
	if start, _, err := cmd.Find([]string{"start"}); err == nil {
		start.Flags().AddFlagSet(cmd.Flags())
	}
	return cmd
}

// shareIn reads a percentage; 0: all.
func shareIn(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, ok := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(v > 0 && v <= 100) {
		return 0, usage(fmt.Errorf("--sample %s: accepted is a percentage above 0 and up to 100, as 5%%", text))
	}
	if v == 100 {
		return 0, nil
	}
	return v / 100, nil
}

func (a *app) copyVerb(name string, cmd *cobra.Command, plan func(context.Context, *opened) (migrate.Plan, error), run func(context.Context, *opened, func(migrate.Progress)) (migrate.Report, error)) *cobra.Command {
	var s stepFlags
	var full bool
	s.add(cmd)
	cmd.Flags().Float64Var(&s.pace.Rate, "rate", 0, "at most so many sessions a second; 0: no bound")
	cmd.Flags().IntVar(&s.pace.Workers, "workers", 0, "how many copy at the same time; 0: four")
	cmd.Flags().BoolVar(&full, "full-speed", false, "do not go slower for the sake of live traffic")
	cmd.Args = exactly(0, "start, status, hold, release, cancel, or nothing")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if s.pace.Rate < 0 || s.pace.Workers < 0 {
			return usage(errors.New("--rate and --workers are not negative"))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s.pace.GiveWay = !full
		m, err := a.open(s)
		if err != nil {
			return err
		}
		defer m.Close()
		r, err := run(cmd.Context(), m, a.progress())
		if err != nil {
			a.report(r)
			return err
		}
		if a.json {
			a.print(r)
		} else {
			a.report(r)
		}
		return nil
	}
	dryRun(cmd, func(cmd *cobra.Command, _ []string) error { return a.dry(cmd.Context(), plan) })
	a.jobVerbs(cmd, name)
	return cmd
}

// causes in words, the most frequent first.
func causes(by map[string]int64) string {
	var names []string
	for c := range by {
		names = append(names, c)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
	for i, c := range names {
		names[i] = fmt.Sprintf("%s %d", c, by[c])
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// report prints counts for a person.
func (a *app) report(r migrate.Report) {
	if r.Job == "" {
		return
	}
	a.printf("%s: %d sessions, %d the same, %d copied", r.Job, r.Sessions, r.Same, r.Copied)
	if r.Races > 0 {
		a.printf(", %d written meanwhile", r.Races)
	}
	if r.Regressed > 0 {
		a.printf(", %d that are older in old", r.Regressed)
	}
	if r.Evicted > 0 {
		a.printf(", %d that old has evicted", r.Evicted)
	}
	a.printf(", %d unresolved\n", r.Unresolved)
	if len(r.HostsLeft) > 0 {
		a.printf("each host has an old of its own: run it there too: %s\n", strings.Join(r.HostsLeft, ", "))
	}
	var classes []string
	for c := range r.Differences {
		classes = append(classes, c)
	}
	slices.Sort(classes)
	for _, c := range classes {
		a.printf("    %s: %d%s\n", c, r.Differences[c], causes(r.Causes[c]))
	}
	if d := r.Differ; d != nil {
		a.printf("    a sample of %.3g %%: %.3g %% differ; of all sessions %.3g to %.3g %% (95 %%). It opens no gate: read-new needs a verification of all\n",
			100*r.Sample, 100*d.Found, 100*d.Low, 100*d.High)
	}
	for _, l := range r.Left {
		a.printf("    left: %s: %s\n", l.Hash, l.Why)
	}
}
