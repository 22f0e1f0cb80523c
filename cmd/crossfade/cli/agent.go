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
	var passthrough bool
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the sidecar: memcached and Redis on localhost, over both stores",
		Long: `Run the sidecar until SIGTERM or SIGINT. Then it stops accepting, finishes what
is under way, lets queued writes arrive, and ends. Sockets that systemd hands
over (crossfade-agent.socket) are used for the addresses of listen that they
have: then clients wait for the next agent, and none is refused.`,
		Example: "  crossfade agent --config /etc/crossfade/crossfade.yaml",
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
	cmd.Flags().BoolVar(&passthrough, "passthrough", false,
		"connect clients to old's server, byte for byte, past the session layer; only while every session is off")
	return cmd
}
