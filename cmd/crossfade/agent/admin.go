package agent

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// listener is the one that was handed over for addr, or a new one.
func (o *Options) listener(ctx context.Context, addr string) (net.Listener, error) {
	if l := o.Sockets.Take(addr); l != nil {
		return l, nil
	}
	return frontends.Listen(ctx, addr, frontends.ListenOptions{})
}

func (a *agent) admin(ctx context.Context) (*http.Server, net.Listener, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.o.Metrics.Handler())
	token, err := adminToken(a.c)
	if err != nil {
		return nil, nil, err
	}
	mux.Handle("/", a.api(token, nil))
	return adminServer(ctx, a.c, &a.o, mux)
}

// api answers for this agent: at its admin port, or to a server that it has
// connected to, which needs no token there and pushes revisions.
func (a *agent) api(token string, take func([]byte) error) *agentapi.Handler {
	api := agentapi.New(a.layer, agentapi.Options{
		Name: a.c.Agent.Name, Version: a.o.Version, Flags: a.parts.Flags, Kinds: a.parts.Kinds, Token: token, Take: take,
		Digest: a.digest, Unsupported: a.o.Metrics.UnsupportedCounts, Stopping: a.stopping.Load, Notes: a.notes.Watched, Evidence: a.seen.Read,
		SyntheticOff: syntheticOff(a.c),
	})
	if take != nil || a.fleet == nil { // whoever moves the fleet asks here
		a.speak(api)
	}
	return api
}

// adminToken is what the admin API asks for; empty: nothing.
func adminToken(c *config.Config) (string, error) {
	if !c.Listen.AdminTokenFile.Set() {
		return "", nil
	}
	return c.Listen.AdminTokenFile.Read()
}

// adminServer listens at the admin address.
func adminServer(ctx context.Context, c *config.Config, o *Options, h http.Handler) (*http.Server, net.Listener, error) {
	l, err := o.listener(ctx, c.Listen.Admin)
	if err != nil {
		return nil, nil, fmt.Errorf("listen.admin: %w: is another agent running?", err)
	}
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}, l, nil
}
