package storytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/control"
)

// fleet is the servers and the agents of one migration, each a process.
type fleet struct {
	t       testing.TB
	dir     string
	stores  *stores
	servers []*process
	agents  []*process
	client  *control.Client
}

// process is one crossfade process.
type process struct {
	f      *fleet
	verb   string // agent, server
	name   string
	config string
	addr   string // where its clients connect; of a server: its own port
	admin  string // an agent's
	said   output
	api    *agentapi.Client

	mu sync.Mutex
	p  *localserver.Process // guarded by mu
}

const (
	// oldTimeout lets a Galera node die (3 s until the others are sure) without
	// an error to a client.
	oldTimeout = 6 * time.Second
	newTimeout = time.Second // not the default 250 ms: the machine runs everything at once
	lockTTL    = 8 * time.Second
	lease      = 2 * time.Second
)

// planned has no limits: the plan that is built in takes sessions back at the
// faults that the story is about.
const planned = `gates: {logouts: off, divergence: off, p99: off, errors: off, timeouts: off, marks: off, samples: 0}
steps:
- {ramp: mirror, to: 100}
- {do: backfill}
- {do: verify}
- {ramp: read-new, to: 100, soak: 1s}
- {ramp: cutover, to: 100}
`

// newFleet starts servers and agents. Two servers share the Galera cluster; one
// keeps its record in files.
func newFleet(t testing.TB, s *stores, servers, agents int) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), stores: s}
	var ports []string
	for range servers {
		ports = append(ports, backendtest.FreeAddr(t))
	}
	// Every host has the fleet's hash key.
	if err := os.WriteFile(filepath.Join(f.dir, "hash.key"), []byte(strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	book := fmt.Sprintf("state_dir: %q", filepath.Join(f.dir, "server"))
	if servers > 1 {
		book = fmt.Sprintf(`mysql: {hosts: ["%s"], database: shop, user: root}`, strings.Join(localserver.Addrs(s.galera.Nodes), `", "`))
	}
	steps := filepath.Join(f.dir, "plan.yaml")
	if err := os.WriteFile(steps, []byte(planned), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, p := range ports {
		c := &process{f: f, verb: "server", name: fmt.Sprintf("ctl-%d", i+1), addr: p}
		c.write(ports, fmt.Sprintf("server: {name: %s, listen: %q, lease: %v, plan: %q, %s}\n", c.name, p, lease, steps, book))
		f.servers = append(f.servers, c)
	}
	for i := range agents {
		a := &process{f: f, verb: "agent", name: fmt.Sprintf("web-%d", i+1), addr: backendtest.FreeAddr(t), admin: backendtest.FreeAddr(t)}
		a.write(ports, "")
		var err error
		if a.api, err = agentapi.NewClient(a.admin, agentapi.ClientOptions{Timeout: 2 * time.Second}); err != nil {
			t.Fatal(err)
		}
		f.agents = append(f.agents, a)
	}
	var err error
	if f.client, err = control.NewClient(control.ClientOptions{Servers: ports, Who: "storytest", Wait: 2 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.stop)
	for _, p := range append(f.servers, f.agents...) {
		p.start()
	}
	binarytest.Within(t, 60*time.Second, "a server to lead", func() bool { return f.leader() != nil })
	binarytest.Within(t, 30*time.Second, "the roster to name every agent", func() bool {
		ms, err := f.client.Members(t.Context())
		return err == nil && len(ms) == agents
	})
	return f
}

func (p *process) write(servers []string, more string) {
	p.f.t.Helper()
	p.config = filepath.Join(p.f.dir, p.name+".yaml")
	text := fmt.Sprintf(`migration: story
agent: {name: %s, state_dir: %q, key_file: %q}
listen: {memcached: [%q], admin: %q}
sessions:
  - name: php
    keys: ["memc.sess.key.{id: [A-Za-z0-9,-]+}"]
    locks: ["memc.sess.key.lock.{id}"]
    new_key: "PHPREDIS_SESSION:{id}"
    new_lock: "PHPREDIS_SESSION:{id}_LOCK"
    max_age: 1h
    lock_ttl: %v
%stimeouts: {old: %v, new: %v, dial: 500ms, copy: 10s}
cutover: {keep_old: 1h}
flags: {server: ["%s"]}
%s`, p.name, filepath.Join(p.f.dir, p.name), filepath.Join(p.f.dir, "hash.key"), or(p.verb == "agent", p.addr, "127.0.0.1:1"), or(p.admin != "", p.admin, "127.0.0.1:1"),
		lockTTL, p.f.stores.yaml(), oldTimeout, newTimeout, strings.Join(servers, `", "`), more)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		p.f.t.Fatal(err)
	}
}

func or[T any](c bool, a, b T) T {
	if c {
		return a
	}
	return b
}

func (p *process) start() {
	p.f.t.Helper()
	cmd := exec.Command(binarytest.Path(p.f.t), p.verb, "--config", p.config, "--log-level", "warn")
	cmd.Stdout, cmd.Stderr = &p.said, &p.said
	proc, err := localserver.Start(cmd)
	if err != nil {
		p.f.t.Fatal(err)
	}
	p.mu.Lock()
	p.p = proc
	p.mu.Unlock()
	p.f.stores.who.is(p.name, proc.Pid())
}

// kill ends it without a word.
func (p *process) kill() {
	p.f.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.p.Kill(); err != nil {
		p.f.t.Error(err)
	}
}

func (p *process) ready() bool {
	s, err := p.api.Status(context.WithoutCancel(p.f.t.Context()))
	return err == nil && s.State == agentapi.Ready
}

// stop ends all, and looks at what they said.
func (f *fleet) stop() {
	f.client.Close()
	for _, p := range append(f.agents, f.servers...) {
		p.mu.Lock()
		if p.p != nil {
			if err := p.p.Stop(20 * time.Second); err != nil {
				f.t.Error(err)
			}
		}
		p.mu.Unlock()
		if p.api != nil {
			p.api.Close()
		}
		said := p.said.String()
		if strings.Contains(said, "panic") || strings.Contains(said, "goroutine ") {
			f.t.Errorf("%s said: %s", p.name, said)
		} else if f.t.Failed() {
			f.t.Logf("%s said: %s", p.name, said[max(0, len(said)-2000):])
		}
	}
}

// leader is the server that leads; nil: none does.
func (f *fleet) leader() *process {
	for _, s := range f.servers {
		c, err := control.NewClient(control.ClientOptions{Servers: []string{s.addr}})
		if err != nil {
			f.t.Fatal(err)
		}
		o, err := c.Overview(f.t.Context())
		c.Close()
		if err == nil && o.Leads {
			return s
		}
	}
	return nil
}

// ramp takes a stage to so many percent, and prints how long it took. A gate
// that is shut is tried again for a while, as a person would: what a fault left
// is being repaired.
func (f *fleet) ramp(stage string, percent int) {
	f.t.Helper()
	f.do(fmt.Sprintf("ramp %s %d", stage, percent), func() (string, error) {
		r, err := f.client.Ramp(f.t.Context(), stage, 100*percent, nil)
		return r.State, err
	})
}

func (f *fleet) do(what string, verb func() (string, error)) {
	f.t.Helper()
	began, refusals := time.Now(), 0
	for {
		said, err := verb()
		if err == nil {
			f.t.Logf("%-18s %5.1fs, refused %d times before: %s", what, time.Since(began).Seconds(), refusals, said)
			return
		}
		var no *migrate.Refusal
		if !errors.As(err, &no) || time.Since(began) > 45*time.Second {
			f.t.Fatalf("%s, after %v: %v", what, time.Since(began).Round(time.Millisecond), err)
		}
		// A fault long enough holds the plan; whoever asks for a step has looked
		// that it is over, and releases it.
		if no.Gate == control.GateHeld {
			if err := f.client.Release(f.t.Context()); err != nil {
				f.t.Logf("release: %v", err)
			}
		}
		if refusals++; refusals == 1 {
			f.t.Logf("%s: refused at first: %v", what, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (f *fleet) backfill() {
	f.t.Helper()
	f.do("backfill", func() (string, error) { return reported(f.client.Backfill(f.t.Context(), nil)) })
}

func (f *fleet) verify() {
	f.t.Helper()
	f.do("verify", func() (string, error) { return reported(f.client.Verify(f.t.Context(), nil)) })
}

func reported(r migrate.Report, err error) (string, error) {
	return fmt.Sprintf("%d sessions, %d copied, differences %v, unresolved %d", r.Sessions, r.Copied, r.Differences, r.Unresolved), err
}

// sums of what agents say of themselves.
func (f *fleet) sums() (s agentapi.Status) {
	for _, a := range f.agents {
		one, err := a.api.Status(f.t.Context())
		if err != nil {
			continue
		}
		s.DirtyNew += one.DirtyNew
		s.DirtyOld += one.DirtyOld
		s.MarksStanding += one.MarksStanding
		s.UnknownOld += one.UnknownOld
		s.UnknownNew += one.UnknownNew
		s.Distrusted += one.Distrusted
		s.Recompared += one.Recompared
		s.MarksPut += one.MarksPut
		s.MarksLost += one.MarksLost
		s.AllDirtyNew = s.AllDirtyNew || one.AllDirtyNew
		s.Behind = s.Behind || one.Behind
	}
	return s
}

// output is what a process has printed; the last megabyte or so.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.b.Len() > 1<<20 {
		o.b.Next(o.b.Len() / 2)
	}
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
