package watchtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/agent"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/logging"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/migrate"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
)

const version = "1"

// fleet is two agents, as the binary runs them, over a real memcached and a real
// Redis behind proxies.
type fleet struct {
	t        testing.TB
	dir      string
	old, new *localserver.Server
	wayOld   *proxy
	wayNew   *proxy
	agents   []*member
	m        *migrate.Migration
	parts    *parts.Parts
	digests  *config.Config // what the agents have

	mu     sync.Mutex // guards synced
	synced bool       // the second agent's flag file follows the first's
}

// member is one agent.
type member struct {
	f                *fleet
	name, file       string // its flag file
	memcached, admin string
	stop             context.CancelFunc
	done             chan error
	log              *slog.Logger
}

const kind = `
  - name: php
    keys: ["memc.sess.key.{id: [A-Za-z0-9,-]+}"]
    locks: ["memc.sess.key.lock.{id}"]
    new_key: "PHPREDIS_SESSION:{id}"
    new_lock: "PHPREDIS_SESSION:{id}_LOCK"
    max_age: 1h
    lock_ttl: 1s
`

func newFleet(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), synced: true}
	var err error
	if f.old, err = localserver.Memcached(t.Context(), localserver.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.old.Stop() })
	if f.new, err = localserver.Redis(t.Context(), localserver.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.new.Stop() })
	f.wayOld, f.wayNew = newProxy(t, f.old.Addr()), newProxy(t, f.new.Addr())
	t.Cleanup(func() { f.wayOld.stop(); f.wayNew.stop() })
	for i := range 2 {
		f.agents = append(f.agents, &member{f: f, name: fmt.Sprintf("web-%d", i+1), memcached: backendtest.FreeAddr(t), admin: backendtest.FreeAddr(t),
			file: filepath.Join(f.dir, fmt.Sprintf("flags%d.json", i))})
	}
	// Who moves the ramp reaches the stores past the faults.
	c := f.config(f.agents[0], f.old.Addr(), f.new.Addr())
	if f.parts, err = parts.Open(c, "", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.parts.Close() })
	f.digests = f.config(f.agents[0], f.wayOld.addr(), f.wayNew.addr())
	f.m = f.migration(nil)
	ctx, stop := context.WithCancel(context.Background())
	var syncing sync.WaitGroup
	syncing.Go(func() { f.sync(ctx) })
	t.Cleanup(func() { stop(); syncing.Wait() })
	for _, a := range f.agents {
		a.start(version)
	}
	t.Cleanup(func() {
		f.wayOld.heal()
		f.wayNew.heal()
		for _, a := range f.agents {
			a.end()
		}
	})
	return f
}

func (f *fleet) migration(p *parts.Parts) *migrate.Migration {
	f.t.Helper()
	if p == nil {
		p = f.parts
	}
	m, err := migrate.New(migrate.Options{Migration: "watch", Book: bookfiles.New(f.agents[0].file), Kinds: p.Kinds, Agents: f.admins(), KeepOld: true,
		Wait: 40 * time.Second, Grace: 20 * time.Second, Workers: 1, Batch: 5,
		Digest: func(b string) string { return f.digests.Digest(b, p.Hasher.Digest(), version) },
		Layer: func() (darklaunch.Options, error) {
			o := p.Options()
			o.New.Timeout = 2 * time.Second
			return o, nil
		}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(m.Close)
	return m
}

// slowly moves through the faults, too.
func (f *fleet) slowly() *migrate.Migration {
	f.t.Helper()
	p, err := parts.Open(f.config(f.agents[0], f.wayOld.addr(), f.wayNew.addr()), "", nil)
	f.must(err)
	f.t.Cleanup(func() { p.Close() })
	return f.migration(p)
}

func (f *fleet) admins() (addrs []string) {
	for _, a := range f.agents {
		addrs = append(addrs, a.admin)
	}
	return addrs
}

func (f *fleet) config(a *member, old, new string) *config.Config {
	f.t.Helper()
	text := fmt.Sprintf(`migration: watch
agent: {name: %s, state_dir: %q, key_file: %q}
listen: {memcached: [%q], admin: %q}
sessions:%sold: {memcached: {servers: [%q]}}
new: {redis: {addrs: [%q]}}
flags: {file: %q, agents: ["%s"]}
timeouts: {old: 1s, new: 2s, dial: 2s, copy: 2s}
mirror: {queue: 60}
compare: {ratio: 0.5, recheck: 100ms}
cutover: {keep_old: 1h}
`, a.name, filepath.Join(f.dir, a.name), filepath.Join(f.dir, "hash.key"), a.memcached, a.admin, kind, old, new, a.file, strings.Join(f.admins(), `", "`))
	c, err := config.Parse("crossfade.yaml", []byte(text))
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// sync brings the flag file to the second host.
func (f *fleet) sync(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		f.mu.Lock()
		if data, err := os.ReadFile(f.agents[0].file); err == nil && f.synced {
			if os.WriteFile(f.agents[1].file+".tmp", data, 0o600) == nil {
				os.Rename(f.agents[1].file+".tmp", f.agents[1].file)
			}
		}
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// reach lets the second host's flag file follow, or takes it away.
func (f *fleet) reach(ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.synced = ok; !ok {
		os.Remove(f.agents[1].file)
	}
}

func (a *member) start(version string) {
	a.f.t.Helper()
	m := metrics.New("watch", version)
	h := logging.New(io.Discard, logging.Options{Level: slog.LevelWarn, Dropped: m.LogDropped})
	a.log = slog.New(h)
	ctx, stop := context.WithCancel(context.Background())
	listening, done := make(chan struct{}), make(chan error, 1)
	a.stop, a.done = stop, done
	c := a.f.config(a, a.f.wayOld.addr(), a.f.wayNew.addr())
	go func() {
		defer h.Close()
		done <- agent.Run(ctx, c, agent.Options{Version: version, Log: a.log, Metrics: m, Drain: 3 * time.Second,
			WatchEvery: 300 * time.Millisecond, Listening: func() { close(listening) }})
	}()
	select {
	case <-listening:
	case err := <-done:
		a.f.t.Fatal(err)
	case <-time.After(2 * time.Minute):
		a.f.t.Fatal("the agent does not listen")
	}
}

// end may be called twice.
func (a *member) end() {
	if a.stop == nil {
		return
	}
	a.stop()
	a.stop = nil
	select {
	case err := <-a.done:
		if err != nil {
			a.f.t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		a.f.t.Error("the agent does not end")
	}
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) ramp(stage string, percent int) {
	f.t.Helper()
	_, err := f.m.Ramp(f.t.Context(), stage, 100*percent, nil)
	f.must(err)
}
