package cutoff

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

const migration = "cutoff"

// fleet is two agents that no flag file reaches, and who moves them.
type fleet struct {
	t        testing.TB
	dir      string
	old, new *localserver.Server
	o, n     *backends.Notes
	agents   []*host
	flags    string // of agents, YAML; empty: a file that is not there
}

// host is one agent.
type host struct {
	f                       *fleet
	name                    string
	dir                     string // of its state, in the fleet's; empty: its name
	memcached, redis, admin string
	p                       *localserver.Process
}

func newFleet(t testing.TB) *fleet {
	f := newStores(t)
	for i := range 2 {
		f.add(fmt.Sprintf("web-%d", i+1)).start()
	}
	return f
}

// newStores is a fleet without agents.
func newStores(t testing.TB) *fleet {
	f := &fleet{t: t, dir: t.TempDir(), old: backendtest.Memcached(t), new: backendtest.Redis(t)}
	old := memcached.New(f.old.Addr(), memcached.Options{Migration: migration})
	new := redis.New(redis.Options{Addr: f.new.Addr(), Migration: migration})
	t.Cleanup(func() { old.Close(); new.Close() })
	f.o, _ = backends.NotesOf(old, migration)
	f.n, _ = backends.NotesOf(new, migration)
	t.Cleanup(func() {
		for _, h := range f.agents {
			h.stop()
		}
	})
	return f
}

func (f *fleet) add(name string) *host {
	h := &host{f: f, name: name, memcached: backendtest.FreeAddr(f.t), redis: backendtest.FreeAddr(f.t), admin: backendtest.FreeAddr(f.t)}
	f.agents = append(f.agents, h)
	return h
}

// config writes a configuration. It differs between hosts in names and addresses
// only.
func (f *fleet) config(name, mc, rd, admin, flagFile string, agents ...string) string {
	f.t.Helper()
	text := fmt.Sprintf(`migration: %s
agent: {name: %s, state_dir: %q, key_file: %q}
listen: {memcached: [%q], redis: [%q], admin: %q}
sessions:
  - name: php
    keys: ["memc.sess.key.{id: [A-Za-z0-9,-]+}"]
    locks: ["memc.sess.key.lock.{id}"]
    new_key: "PHPREDIS_SESSION:{id}"
    new_lock: "PHPREDIS_SESSION:{id}_LOCK"
    max_age: 1h
    lock_ttl: 1s
old: {memcached: {servers: [%q]}}
new: {redis: {addrs: [%q]}}
timeouts: {old: 5s, new: 5s, dial: 5s, copy: 2s}
`, migration, name, filepath.Join(f.dir, name), filepath.Join(f.dir, "hash.key"), mc, rd, admin, f.old.Addr(), f.new.Addr())
	if f.flags != "" {
		text += f.flags
	} else {
		text += fmt.Sprintf("flags: {file: %q", flagFile)
		if len(agents) > 0 {
			text += fmt.Sprintf(`, agents: ["%s"]`, strings.Join(agents, `", "`))
		}
		text += "}"
	}
	path := filepath.Join(f.dir, name+".yaml")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func (h *host) start() {
	h.f.t.Helper()
	// The flag file is in a folder that is not there: nothing but a store tells
	// this agent what to do.
	path := h.f.config(h.name, h.memcached, h.redis, h.admin, filepath.Join(h.f.dir, "nowhere", "flags.json"))
	if h.dir != "" {
		text, err := os.ReadFile(path)
		if err == nil {
			path = filepath.Join(h.f.dir, h.dir+".yaml")
			text = bytes.Replace(text, fmt.Appendf(nil, "state_dir: %q", filepath.Join(h.f.dir, h.name)), fmt.Appendf(nil, "state_dir: %q", filepath.Join(h.f.dir, h.dir)), 1)
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			h.f.t.Fatal(err)
		}
	}
	p, err := localserver.Start(exec.Command(binarytest.Path(h.f.t), "agent", "--config", path))
	if err != nil {
		h.f.t.Fatal(err)
	}
	h.p = p
	binarytest.Within(h.f.t, time.Minute, h.name+" answers", func() bool { _, ok := h.status(); return ok })
}

func (h *host) stop() {
	if h.p != nil {
		if err := h.p.Stop(15 * time.Second); err != nil && h.f.t.Failed() {
			h.f.t.Logf("%s: %v\n%s", h.name, err, h.p.Output())
		}
		h.p = nil
	}
}

// get asks the admin port.
func (h *host) get(path string) (int, string) {
	c := http.Client{Timeout: 20 * time.Second}
	defer c.CloseIdleConnections()
	r, err := c.Get("http://" + h.admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

func (h *host) status() (s agentapi.Status, ok bool) {
	code, body := h.get("/v1/status")
	return s, code == http.StatusOK && json.Unmarshal([]byte(body), &s) == nil
}

func (h *host) serves(epoch uint64) bool {
	s, ok := h.status()
	return ok && s.Epoch == epoch
}

// say sends one request and gives the first line of the answer.
func (h *host) say(addr, request string) string {
	h.f.t.Helper()
	c, err := net.DialTimeout("tcp", addr, 30*time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, request)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// run runs a verb as an operator does; the agents' admin ports can be reached.
func (f *fleet) run(args ...string) {
	f.t.Helper()
	path := f.config("operator", backendtest.FreeAddr(f.t), backendtest.FreeAddr(f.t), backendtest.FreeAddr(f.t), f.flagFile(), f.agents[0].admin, f.agents[1].admin)
	f.verb(path, args...)
}

func (f *fleet) flagFile() string { return filepath.Join(f.dir, "flags.json") }

func (f *fleet) verb(config string, args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, binarytest.Path(f.t), append(args, "--config", config)...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("crossfade %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// top is the note that counts.
func (f *fleet) top() epochs.Note {
	f.t.Helper()
	top, found := epochs.Highest(epochs.ReadBoth(f.t.Context(), f.o, f.n, migration))
	if !found {
		f.t.Fatal("no epoch stands in either store")
	}
	return top
}

// lists tells whether the note that counts has an agent by the life that it has.
func (f *fleet) lists(h *host) bool {
	f.t.Helper()
	s, ok := h.status()
	n := f.top()
	return ok && n.Agents != nil && n.Lists(h.name, []string{s.Start})
}

// raise writes the note that change makes of the one that counts, in the stores
// that are given.
func (f *fleet) raise(o, n *backends.Notes, change func(*flags.Definition, *epochs.Note)) uint64 {
	f.t.Helper()
	top := f.top()
	snap, err := top.Snapshot()
	if err != nil {
		f.t.Fatal(err)
	}
	d := snap.Definition()
	change(&d, &top)
	d.Default = flags.DefaultOf(d.Weights)
	if top.Flags, err = d.MarshalFlagd(); err != nil {
		f.t.Fatal(err)
	}
	top.At = time.Now()
	err = epochs.Raise(f.t.Context(), o, n, top)
	if e, ok := err.(*epochs.RaiseError); ok && (o != nil && e.Old != nil || n != nil && e.New != nil) {
		f.t.Fatal(err)
	}
	return d.Epoch
}
