package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/cmd/crossfade/systemd"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// RunPassthrough connects clients to old's server, byte for byte, until ctx
// ends: for the case that the session layer itself is suspected. It is refused
// (*migrate.Refusal) where that would lose something: see passable and allOff.
func RunPassthrough(ctx context.Context, c *config.Config, o Options) error {
	defer o.Sockets.Close()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New(c.Migration, o.Version)
	}
	old, err := passable(c)
	if err != nil {
		return err
	}
	hasher, err := flags.LoadOrCreateKey(c.Agent.KeyFile)
	if err != nil {
		return err
	}
	s := &splicer{network: "tcp", addr: old, dial: c.Timeouts.Dial.Std(), log: o.Log.With("component", "passthrough")}
	if path, ok := strings.CutPrefix(old, "unix:"); ok {
		s.network, s.addr = "unix", path
	}
	token, err := adminToken(c)
	if err != nil {
		return err
	}
	var stopping atomic.Bool
	start, former, err := darklaunch.NewLife(c.Agent.StateDir)
	if err != nil { // it is the layer that is suspected: clients are not kept waiting for its files
		o.Log.Warn("this life is not written down: servers will want the agent forgotten", "component", "passthrough", "error", err)
	}
	ao := agentapi.Options{Name: c.Agent.Name, Version: o.Version, Token: token, Stopping: stopping.Load,
		Digest: func(bucketing string) string { return c.Digest(bucketing, hasher.Digest(), o.Version) }}
	var all sync.WaitGroup
	follow, end := context.WithCancel(context.WithoutCancel(ctx))
	defer all.Wait()
	defer end()
	source, err := passthroughFlags(ctx, c, func(kept *flags.Kept) error {
		// A server waits for this agent, as for any.
		f, err := newFleet(c, &o, kept)
		if err != nil {
			return err
		}
		fo := ao
		fo.Flags, fo.Token, fo.Take = kept, "", f.take
		all.Go(func() { f.run(follow, agentapi.NewPassthrough(fo, start, former, s.open)) })
		f.begin(ctx, func() bool { return false })
		return nil
	})
	if err != nil {
		return err
	}
	ao.Flags = source
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.Metrics.Handler())
	mux.Handle("/", agentapi.NewPassthrough(ao, start, former, s.open))

	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for _, addr := range append(c.Listen.Memcached, c.Listen.Redis...) {
		l, err := o.listener(ctx, addr)
		if err != nil {
			return fmt.Errorf("listen at %s: %w: is another agent running?", addr, err)
		}
		listeners = append(listeners, l)
	}
	admin, al, err := adminServer(ctx, c, &o, mux)
	if err != nil {
		return err
	}
	if err := o.Sockets.Left(); err != nil {
		return errors.Join(err, al.Close())
	}
	var accepting sync.WaitGroup
	if local, ok := source.(parts.Local); ok {
		all.Go(func() { local.Run(follow) })
	}
	all.Go(func() { watchLeaving(follow, source, o.Log) })
	all.Go(func() { systemd.Watchdog(follow, func() {}) })
	all.Go(func() { admin.Serve(al) })
	for _, l := range listeners {
		accepting.Go(func() { s.serve(l) })
	}
	if o.Listening != nil {
		o.Listening()
	}
	systemd.Notify(systemd.Ready)
	o.Log.Warn("passthrough: clients go straight to old, and no step of the migration is acknowledged", "component", "agent")
	<-ctx.Done()

	stopping.Store(true)
	systemd.Notify(systemd.Stopping)
	for _, l := range listeners {
		l.Close()
	}
	accepting.Wait()
	s.drain(cmp.Or(o.Drain, defaultDrain))
	end()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if admin.Shutdown(last) != nil {
		admin.Close()
	}
	all.Wait()
	return nil
}

// passthroughFlags are the flags, which must have all sessions off.
func passthroughFlags(ctx context.Context, c *config.Config, join func(*flags.Kept) error) (flags.Source, error) {
	kept, local, err := parts.LocalFlags(c, c.Agent.StateDir, nil)
	if err != nil {
		return nil, err
	}
	if local == nil {
		if err := join(kept); err != nil {
			return nil, err
		}
		return kept, allOff(kept.Current())
	}
	// Without the file, or an answer, the last good flags count.
	if err := local.Load(ctx); err != nil && !errors.Is(err, fs.ErrNotExist) && (c.Flags.URL == "" || local.Current() == nil) {
		return nil, notOff("the flags cannot be read: "+err.Error(), "put the flag file right, or what answers at flags.url")
	}
	return local, allOff(local.Current())
}

// watchLeaving says it when the flags leave off all the same. Old still
// decides then, since no step goes on before this agent is one again.
func watchLeaving(ctx context.Context, source flags.Source, log *slog.Logger) {
	revisions, stop := source.Watch()
	defer stop()
	for {
		select {
		case s := <-revisions:
			if err := allOff(s); err != nil {
				log.Error("the flags have left off: this agent acknowledges nothing, and the fleet waits for it", "component", "passthrough", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
