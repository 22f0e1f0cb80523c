package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
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
	"github.com/seed-41165957/crossfade/cmd/crossfade/systemd"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/migrate"
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
	source := flags.NewFile(c.Flags.File, flags.FileOptions{StateDir: c.Agent.StateDir, Migration: c.Migration})
	if err := source.Load(); err != nil && !errors.Is(err, fs.ErrNotExist) { // without the file, the last good flags count
		return notOff("the flags cannot be read: "+err.Error(), "put the flag file right")
	}
	if err := allOff(source.Current()); err != nil {
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
	var id [8]byte
	rand.Read(id[:])
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.Metrics.Handler())
	mux.Handle("/", agentapi.NewPassthrough(agentapi.Options{Name: c.Agent.Name, Version: o.Version, Flags: source, Token: token, Stopping: stopping.Load,
		Digest: func(bucketing string) string { return c.Digest(bucketing, hasher.Digest(), o.Version) },
	}, hex.EncodeToString(id[:]), s.open))

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
	var all, accepting sync.WaitGroup
	follow, end := context.WithCancel(context.WithoutCancel(ctx))
	all.Go(func() { source.Run(follow) })
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

// gatePassthrough names the refusals.
const gatePassthrough = "passthrough"

func notOff(found, do string) error {
	return &migrate.Refusal{Gate: gatePassthrough, Found: found, Do: do}
}

// passable gives old's address, where clients can speak with old as they speak
// with the agent.
func passable(c *config.Config) (string, error) {
	no := func(format string, args ...any) (string, error) {
		return "", notOff(fmt.Sprintf(format, args...), "start the agent without --passthrough, or point clients at old themselves")
	}
	foreign := func(listen, old, spoken string) (string, error) {
		return "", notOff(fmt.Sprintf("%s: old is %s, and these clients speak %s", listen, old, spoken),
			"where no client uses it yet, take "+listen+" out of the configuration and of crossfade-agent.socket, else start the agent without --passthrough")
	}
	for _, k := range c.Sessions { // the first names are those in old
		if len(k.Keys) > 1 || len(k.Locks) > 1 {
			return no("clients of kind %s use names that are not those in old (%s)", k.Name, strings.Join(append(k.Keys, k.Locks...), ", "))
		}
	}
	switch m, r := c.Old.Memcached, c.Old.Redis; {
	case m != nil && len(m.Servers) != 1:
		return no("old is a ring of %d memcached servers, and which one has a session is for the layer to say", len(m.Servers))
	case m != nil && len(c.Listen.Redis) > 0:
		return foreign("listen.redis", "memcached", "Redis")
	case m != nil:
		return m.Servers[0], nil
	case r == nil:
		return no("old is not a server that clients can speak with")
	case len(c.Listen.Memcached) > 0:
		return foreign("listen.memcached", "Redis", "memcached")
	case r.Clustered() || len(r.Sentinel.Addrs) > 0:
		return no("old is a Redis cluster, or found through Sentinel: the layer finds the server")
	case r.TLS.On() || r.PasswordFile.Set() || r.User != "" || r.Database != 0:
		return no("old.redis asks for a password, TLS or a database, which the layer says in the clients' place")
	}
	return c.Old.Redis.Addrs[0], nil
}

// allOff refuses every revision in which a write that passes the layer by is
// one that new lacks, or a read one that old cannot answer.
func allOff(s *flags.Snapshot) error {
	if s == nil {
		return notOff("no revision of the flags is known, so neither is where sessions are", "crossfade ramp mirror 0, which writes the first")
	}
	for _, p := range flags.Ladder {
		if p != position.Off && s.Holds(p) {
			return notOff(fmt.Sprintf("sessions are in %s (revision %d): a write that passes the layer by would not reach new", p, s.Epoch()),
				"crossfade rollback --to off, and crossfade unpin what is pinned")
		}
	}
	// That sessions have been in cutover does not count: no rollback ends in off
	// before old has them all again.
	if s.Definition().DeclaredDown != flags.NoneDown {
		return notOff(fmt.Sprintf("old is declared down (revision %d)", s.Epoch()), "crossfade recover old, until it is over")
	}
	return nil
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
