package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/migrate"
)

// jobVerbs are what can be said to a job that runs in another process, and
// start, which is the verb alone. They come after the verb has all its flags.
func (a *app) jobVerbs(parent *cobra.Command, name string) {
	start := &cobra.Command{
		Use: "start", Short: "Start it and wait, as without a word", Args: exactly(0, ""),
		PreRunE: parent.PreRunE, RunE: parent.RunE,
	}
	start.Flags().AddFlagSet(parent.Flags())
	parent.AddCommand(start, &cobra.Command{
		Use: "status", Short: "Say how far it is", Args: exactly(0, ""), Example: "  crossfade " + name + " status --json",
		RunE: func(*cobra.Command, []string) error { return a.jobStatus(name) },
	})
	for _, w := range []struct{ wish, short string }{
		{migrate.WishHold, "Let it stand still; nobody else may copy meanwhile"},
		{migrate.WishRelease, "Let it go on"},
		{migrate.WishCancel, "End it; the next run begins anew"},
	} {
		parent.AddCommand(dryRun(&cobra.Command{
			Use: w.wish, Short: w.short, Args: exactly(0, ""), Example: "  crossfade " + name + " " + w.wish,
			RunE: func(*cobra.Command, []string) error {
				m, err := a.open(stepFlags{})
				if err != nil {
					return err
				}
				defer m.Close()
				return a.done(m.Wish(name, w.wish))
			},
		}, func(cmd *cobra.Command, _ []string) error {
			return a.dry(cmd.Context(), func(_ context.Context, m *opened) (migrate.Plan, error) { return m.PlanWish(name, w.wish) })
		}))
	}
}

func (a *app) jobStatus(name string) error {
	m, err := a.open(stepFlags{})
	if err != nil {
		return err
	}
	defer m.Close()
	s, found, err := m.JobState(name)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("no %s has been run yet: crossfade %s", name, name)
	case a.json:
		a.print(s)
		return nil
	}
	a.printf("%s\n", s.String())
	if s.Live() {
		a.printf("    %s\n", line(s.Progress))
	}
	a.report(s.Report)
	return nil
}
