package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/migrate"
)

func declareDownVerb(a *app) *cobra.Command {
	return a.storeVerb(&cobra.Command{
		Use:   "declare-down old",
		Short: "Say that old is dead: new takes every write, and grants the locks",
		Long: `Say that old is dead. In settled read-new every write goes to new alone, and
once every agent has acknowledged and the locks that old granted have run out,
new grants the locks. Undo it with crossfade recover old. It is refused while a
session is pinned at read-new, where it is never settled: unpin it first.`,
		Example: "  crossfade declare-down old --dry-run\n  crossfade declare-down old --reason \"disk lost\"",
	}, func(ctx context.Context, m *opened, store string) (migrate.Plan, error) {
		return m.PlanDeclareDown(ctx, store)
	}, func(ctx context.Context, m *opened, store string, p func(migrate.Progress)) (migrate.Result, error) {
		return m.DeclareDown(ctx, store, p)
	})
}

func recoverVerb(a *app) *cobra.Command {
	return a.storeVerb(&cobra.Command{
		Use:   "recover old",
		Short: "Make old whole again after it was down, or after new took writes alone",
		Long: `Make old whole again: both stores are written, what new holds is copied to old
and verified, and read-new begins anew through sealed.`,
		Example: "  crossfade recover old",
	}, func(ctx context.Context, m *opened, store string) (migrate.Plan, error) {
		return m.PlanRecover(ctx, store)
	}, func(ctx context.Context, m *opened, store string, p func(migrate.Progress)) (migrate.Result, error) {
		return m.Recover(ctx, store, p)
	})
}

func (a *app) storeVerb(cmd *cobra.Command, plan func(context.Context, *opened, string) (migrate.Plan, error), run func(context.Context, *opened, string, func(migrate.Progress)) (migrate.Result, error)) *cobra.Command {
	var s stepFlags
	s.add(cmd)
	cmd.Args = exactly(1, "old")
	cmd.PreRunE = func(_ *cobra.Command, args []string) error {
		if args[0] != "old" {
			return usage(errStore(args[0]))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		m, err := a.open(s)
		if err != nil {
			return err
		}
		defer m.Close()
		r, err := run(cmd.Context(), m, args[0], a.progress())
		return a.moved(r, err)
	}
	return dryRun(cmd, func(cmd *cobra.Command, args []string) error {
		return a.dry(cmd.Context(), func(ctx context.Context, m *opened) (migrate.Plan, error) { return plan(ctx, m, args[0]) })
	})
}
