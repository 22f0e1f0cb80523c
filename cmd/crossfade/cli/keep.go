package cli

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/logging"
	"github.com/seed-41165957/crossfade/cmd/crossfade/systemd"
	"github.com/seed-41165957/crossfade/frontends"
)

// keep holds the sockets of an agent, and runs it as a child.
func (a *app) keep(ctx context.Context, level slog.Level, passthrough bool) error {
	// The file by its name: an upgrade puts another one there.
	self, err := exec.LookPath(os.Args[0])
	if err == nil {
		self, err = filepath.Abs(self)
	}
	if err != nil {
		return err
	}
	command := []string{self, "agent", "--config", a.config, "--log-level", strings.ToLower(level.String())}
	if passthrough {
		command = append(command, "--passthrough")
	}
	if a.json {
		command = append(command, "--json")
	}
	h := logging.New(a.err, logging.Options{Level: level, JSON: a.json})
	defer h.Close()
	return systemd.Keep(ctx, systemd.KeepOptions{
		Command: command,
		Log:     slog.New(h),
		Addresses: func() ([]string, error) {
			c, err := config.Load(a.config)
			if err != nil {
				return nil, err
			}
			addrs := []string{c.Listen.Admin}
			for _, at := range slices.Concat(c.Listen.Memcached, c.Listen.Redis, c.Listen.HTTP) {
				addrs = append(addrs, strings.TrimPrefix(at, config.TLSPrefix))
			}
			return addrs, nil
		},
		Listen: func(ctx context.Context, addr string) (net.Listener, error) {
			return frontends.Listen(ctx, addr, frontends.ListenOptions{})
		},
	})
}
