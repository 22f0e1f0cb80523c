package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/control"
)

const dryWords = "say what it would do, what would refuse it now, and what taking it back would cost; change nothing"

// dryRun gives a verb --dry-run. It comes after RunE is set.
func dryRun(cmd *cobra.Command, dry func(cmd *cobra.Command, args []string) error) *cobra.Command {
	var yes bool
	cmd.Flags().BoolVar(&yes, "dry-run", false, dryWords)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if yes {
			return dry(cmd, args)
		}
		return run(cmd, args)
	}
	return cmd
}

// dry prints the dry run of whoever moves the migration.
func (a *app) dry(ctx context.Context, plan func(ctx context.Context, m *opened) (migrate.Plan, error)) error {
	m, err := a.open(stepFlags{})
	if err != nil {
		return err
	}
	defer m.Close()
	return a.plan(plan(ctx, m))
}

// dryServed prints that of what servers alone do.
func (a *app) dryServed(ctx context.Context, plan func(ctx context.Context, c *control.Client) (migrate.Plan, error)) error {
	c, err := a.servers(stepFlags{})
	if err != nil {
		return err
	}
	defer c.Close()
	return a.plan(plan(ctx, c))
}
