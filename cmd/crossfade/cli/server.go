package cli

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/logging"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/cmd/crossfade/server"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/control"
)

func serverVerb(a *app) *cobra.Command {
	var level, consoleDir string
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the control plane: the migration's record, flags for the agents, and who moves them",
		Long: `Run the control plane until SIGTERM or SIGINT. Nothing that clients do waits for
it. Of several servers over one database (server.mysql) one leads; when it is
not heard of for server.lease, another goes on with what was asked for.`,
		Example: "  crossfade server --config /etc/crossfade/crossfade.yaml",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(a.config)
			if err != nil {
				return usage(err)
			}
			var l slog.Level
			if err := l.UnmarshalText([]byte(level)); err != nil {
				return usage(fmt.Errorf("--log-level %s: accepted are debug, info, warn, error", level))
			}
			m := metrics.New(c.Migration, parts.Version())
			h := logging.New(a.err, logging.Options{Level: l, Dropped: m.LogDropped, JSON: a.json})
			defer h.Close()
			o := &opened{}
			defer o.Close()
			opt, err := o.options(c)
			if err != nil {
				return err
			}
			return server.Run(cmd.Context(), c, server.Options{Version: parts.Version(), Migration: opt, Log: slog.New(h), Metrics: m, ConsoleDir: consoleDir})
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(&consoleDir, "console-dir", "", "read the console's files from this folder with each request, for who works on them")
	cmd.Flags().MarkHidden("console-dir")
	return cmd
}

func agentsVerb(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "agents",
		Short:   "The agents that a step waits for: list them, or forget one that will never come back",
		Example: "  crossfade agents list\n  crossfade agents forget web-17 --dry-run\n  crossfade agents forget web-17",
		Args:    exactly(0, "list, or forget NAME"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "Who is in the roster", Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.servers(stepFlags{})
			if err != nil {
				return err
			}
			defer s.Close()
			ms, err := s.Members(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				a.print(ms)
				return nil
			}
			for _, m := range ms {
				state := "since " + m.Joined.Local().Format("2006-01-02 15:04:05")
				if m.Away != nil {
					state = "signed off at " + m.Away.Local().Format("2006-01-02 15:04:05")
				}
				a.printf("%-24s %-16s %s\n", m.Name, m.Version, state)
			}
			return nil
		},
	})
	var f stepFlags
	forget := &cobra.Command{
		Use:   "forget NAME",
		Short: "Take an agent off that will never come back",
		Long: `Take an agent off the roster that will never come back: steps wait for it no
more. Run it when its host is gone, or its process surely dead. Should it run
after all, it stops by itself as soon as it reads the epoch in a store that it
reaches; the verb waits for that. What it had not written yet is lost to new, so
that nothing that was verified counts any more.`,
		Args: exactly(1, "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.servers(f)
			if err != nil {
				return err
			}
			defer s.Close()
			r, err := s.Forget(cmd.Context(), args[0], a.progress())
			return a.moved(r, err)
		},
	}
	f.add(forget)
	cmd.AddCommand(dryRun(forget, func(cmd *cobra.Command, args []string) error {
		return a.dryServed(cmd.Context(), func(ctx context.Context, c *control.Client) (migrate.Plan, error) { return c.PlanForget(ctx, args[0]) })
	}))
	return cmd
}
