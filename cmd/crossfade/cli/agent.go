package cli

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/agent"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/logging"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/cmd/crossfade/systemd"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
)

func agentVerb(a *app) *cobra.Command {
	var level string
	var passthrough, keep bool
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the sidecar: memcached and Redis on localhost, over both stores",
		Long: `Run the sidecar until SIGTERM or SIGINT. Then it stops accepting, finishes what
is under way, lets queued writes arrive, and ends. Sockets that systemd hands
over (crossfade-agent.socket) are used for the addresses of listen that they
have: then clients wait for the next agent, and none is refused.

Where there is no systemd, --keep-sockets does the same: this process holds the
sockets and runs the agent as its child. At SIGHUP (after an upgrade, or a change
of the configuration) the child is stopped and started again; a configuration
that is wrong changes nothing. A child that dies is started again, too.`,
		Example: "  crossfade agent --config /etc/crossfade/crossfade.yaml\n  crossfade agent --keep-sockets --config /etc/crossfade/crossfade.yaml",
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
			if keep {
				return a.keep(cmd.Context(), l, passthrough)
			}
			sockets, err := systemd.Sockets()
			if err != nil {
				return err
			}
			share()
			m := metrics.New(c.Migration, parts.Version())
			h := logging.New(a.err, logging.Options{Level: l, Dropped: m.LogDropped, JSON: a.json})
			defer h.Close()
			run := agent.Run
			if passthrough {
				run = agent.RunPassthrough
			}
			return run(cmd.Context(), c, agent.Options{Version: parts.Version(), Log: slog.New(h), Metrics: m, Sockets: sockets})
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().BoolVar(&keep, "keep-sockets", false, "hold the listening sockets, and run the agent as a child that SIGHUP starts again")
	cmd.Flags().BoolVar(&passthrough, "passthrough", false,
		"connect clients to old's server, byte for byte, past the session layer; only while every session is off")
	return cmd
}
