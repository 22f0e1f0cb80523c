// Package agent is the sidecar: frontends on localhost, the session layer, and
// the admin port.
//
//	err := agent.Run(ctx, cfg, agent.Options{Version: version, Log: log})
//
// It serves until ctx ends; then it stops accepting, finishes what is under
// way, lets queued writes arrive, and closes the stores, in that order.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/cmd/crossfade/systemd"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/darklaunch/evidence"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/memcached"
	"github.com/seed-41165957/crossfade/frontends/redis"
	"github.com/seed-41165957/crossfade/frontends/rest"
)

// Options of Run. The zero value works.
type Options struct {
	Version string
	Log     *slog.Logger
	// Metrics, if nil, are made.
	Metrics *metrics.Metrics
	// Drain is how long requests under way may take at the end: default 4 s.
	// New clients wait in the socket's queue meanwhile, if somebody else holds
	// it too, and libmemcached's patience is 5 s.
	Drain time.Duration
	// WatchEvery is how often the first agent of flags.agents looks at the fleet:
	// default 15 s.
	WatchEvery time.Duration
	// Sockets that were handed over; nil: none. Run closes them.
	Sockets *systemd.Set
	// Listening is told, once all ports are open.
	Listening func()
}

const defaultDrain = 4 * time.Second

// Run is one agent, from its configuration to its end.
func Run(ctx context.Context, c *config.Config, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Drain == 0 {
		o.Drain = defaultDrain
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New(c.Migration, o.Version)
	}
	defer o.Sockets.Close()
	defer carry()()
	p, err := parts.Open(c, c.Agent.StateDir, func(err error) {
		o.Log.Error("the files of flags.ca_file, cert_file and key_file cannot be read again", "component", "flags", "error", err)
	})
	if err != nil {
		return err
	}
	defer p.Close()
	lo := p.Options()
	seen := evidence.New()
	lo.StateDir, lo.Log, lo.Observer = c.Agent.StateDir, o.Log.With("component", "layer"), evidence.Both(o.Metrics, seen)
	notes := watchNotes(c, p)
	notes.Look(ctx) // first: nobody is served by a flag file that the fleet has left behind
	if p.Local != nil && notes.Unlisted() {
		p.Flags.Stop("the roster in the stores does not name agent " + c.Agent.Name + ", and no server is named that could add it: name the servers in flags.server")
	}
	if p.Local == nil {
	} else if err := p.Local.Load(ctx); err != nil {
		// It goes on looking: the agent is not ready until there is a revision.
		o.Log.Warn("the flags cannot be used yet", "component", "flags", "error", err)
	}
	layer, err := darklaunch.New(lo)
	if err != nil {
		return err
	}
	o.Metrics.Watch(c.Migration, layer, p.Flags)
	a := &agent{c: c, o: o, parts: p, layer: layer, notes: notes, seen: seen}
	if p.Local == nil {
		if a.fleet, err = newFleet(c, &a.o, p.Flags); err != nil {
			return errors.Join(err, layer.Close())
		}
	}
	return a.run(ctx)
}

type agent struct {
	c        *config.Config
	o        Options
	parts    *parts.Parts
	layer    *darklaunch.Layer
	notes    *epochs.Watcher
	seen     *evidence.Recorder
	fleet    *fleet // nil: the agent reads its flags by itself
	stopping atomic.Bool
	servers  []server
}

// run starts the parts in the order in which they need each other, and ends
// them the other way round.
func (a *agent) run(ctx context.Context) error {
	base, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	fail := make(chan error, 1)
	failed := func(err error) {
		if err != nil {
			select {
			case fail <- err:
			default:
			}
		}
	}
	var behind, serving sync.WaitGroup
	flagsCtx, endFlags := context.WithCancel(base)
	if a.fleet == nil {
		behind.Go(func() { a.parts.Local.Run(flagsCtx) })
	}
	behind.Go(func() { a.reaping(flagsCtx) })
	behind.Go(func() { tidy(flagsCtx) })
	layerCtx, endLayer := context.WithCancel(base)
	var layerDone sync.WaitGroup
	layerDone.Go(func() { failed(a.layer.Run(layerCtx)) })

	// Connections to servers outlive the flags: what is left is asked there too.
	joinCtx, leave := context.WithCancel(base)
	defer leave()
	var joined sync.WaitGroup
	if a.fleet != nil {
		api := a.api("", a.fleet.take)
		joined.Go(func() { a.fleet.run(joinCtx, api) })
		if !a.fleet.begin(ctx, a.notes.Unlisted) {
			joined.Go(func() { a.fleet.beginLater(joinCtx) })
		}
	}

	admin, err := a.listen(base, &serving, failed)
	if err == nil {
		behind.Go(func() { a.notes.Run(flagsCtx) })
		behind.Go(func() { a.sayStopped(flagsCtx) })
		if watch, err := a.watchFleet(); err == nil {
			behind.Go(func() { watch(flagsCtx) })
		} else {
			a.o.Log.Info("the fleet is not watched from here", "component", "watcher", "cause", err)
		}
		if a.o.Listening != nil {
			a.o.Listening()
		}
		systemd.Notify(systemd.Ready)
		behind.Go(func() { systemd.Watchdog(flagsCtx, func() { a.layer.Status() }) }) // it takes the layer's locks
		a.o.Log.Info("serving", "component", "agent", "name", a.c.Agent.Name, "migration", a.c.Migration)
		select {
		case <-ctx.Done():
			a.o.Log.Info("stopping", "component", "agent", "cause", context.Cause(ctx))
		case err = <-fail:
		}
	}

	// Stop accepting and finish requests; then let the queue arrive; then the
	// flags; last the admin port, so that what is left can be asked until then.
	a.stopping.Store(true)
	systemd.Notify(systemd.Stopping)
	drain, cancel := context.WithTimeout(base, a.o.Drain)
	defer cancel()
	for _, s := range a.servers {
		serving.Go(func() {
			if e := s.Shutdown(drain); e != nil {
				a.o.Log.Warn("requests were cut off", "component", "agent", "error", e)
			}
		})
	}
	serving.Wait()
	endLayer()
	layerDone.Wait()
	if a.fleet != nil && err == nil {
		if off := a.fleet.signOff(base, a.layer.Status().Start); off != nil {
			a.o.Log.Warn("the servers were not told: steps wait for this agent until it runs again or is forgotten", "component", "server", "error", off)
		}
	}
	leave()
	joined.Wait()
	endFlags()
	behind.Wait()
	err = errors.Join(err, a.layer.Close())
	if admin != nil {
		last, cancel := context.WithTimeout(base, time.Second)
		defer cancel()
		if admin.Shutdown(last) != nil {
			admin.Close() // somebody holds a connection open
		}
	}
	return err
}

// server is one protocol's.
type server interface {
	Serve(context.Context, net.Listener) error
	Shutdown(context.Context) error
}

// listen opens every port before any client is served.
func (a *agent) listen(ctx context.Context, serving *sync.WaitGroup, failed func(error)) (*http.Server, error) {
	type port struct {
		l net.Listener
		s server
	}
	var ports []port
	abort := func(err error) (*http.Server, error) {
		for _, p := range ports {
			p.l.Close()
		}
		return nil, err
	}
	ro, err := redisOptions(a.c)
	if err != nil {
		return nil, err
	}
	so := frontends.Options{Connections: a.c.Listen.Connections, Log: a.o.Log.With("component", "frontend"), Observer: unsupported{a.o.Metrics}}
	for _, f := range []struct {
		addrs []string
		make  func() server
	}{
		{a.c.Listen.Memcached, func() server {
			return memcached.New(a.layer.Door("memcached"), memcached.Options{Server: so})
		}},
		{a.c.Listen.Redis, func() server {
			ro.Server = so
			return redis.New(a.layer.Door("redis"), ro)
		}},
		{a.c.Listen.HTTP, func() server { return rest.New(a.layer.Door("http"), rest.Options{Server: so}) }},
	} {
		if len(f.addrs) == 0 {
			continue
		}
		s := f.make()
		a.servers = append(a.servers, s)
		for _, addr := range f.addrs {
			l, err := a.clients(ctx, addr)
			if err != nil {
				return abort(fmt.Errorf("listen at %s: %w: is another agent running?", addr, err))
			}
			ports = append(ports, port{l, s})
		}
	}
	admin, al, err := a.admin(ctx)
	if err != nil {
		return abort(err)
	}
	if err := a.o.Sockets.Left(); err != nil {
		al.Close()
		return abort(err)
	}
	for _, p := range ports {
		serving.Go(func() {
			if err := p.s.Serve(ctx, p.l); err != nil && !errors.Is(err, frontends.ErrStopped) {
				failed(err)
			}
		})
	}
	go func() {
		if err := admin.Serve(al); !errors.Is(err, http.ErrServerClosed) {
			failed(err)
		}
	}()
	return admin, nil
}

// unsupported passes on what the frontends count and the layer does not see.
type unsupported struct{ m *metrics.Metrics }

func (u unsupported) Unsupported(class string) { u.m.Unsupported(class) }
func (unsupported) Connections(int)            {}
