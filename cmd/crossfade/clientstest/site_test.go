package clientstest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// site is one agent that all clients speak to, over a real store of each kind.
type site struct {
	t                       testing.TB
	bin, config, flagFile   string
	memcached, redis, admin string
	stores                  [2]*localserver.Server
	proc                    *localserver.Process
	said                    said
	api                     *agentapi.Client
}

// move is which kind of store is left for which.
type move [2]string

func (m move) String() string { return m[0] + " to " + m[1] }

func newSite(t testing.TB, m move, at position.Position) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, bin: binarytest.Path(t, raceFlag), config: filepath.Join(dir, "crossfade.yaml"), flagFile: filepath.Join(dir, "flags.json"),
		memcached: backendtest.FreeAddr(t), redis: backendtest.FreeAddr(t), admin: backendtest.FreeAddr(t)}
	var stores [2]string
	for i, kind := range m {
		if kind == "memcached" {
			s.stores[i] = running(t)(localserver.Memcached(t.Context(), localserver.Options{}))
			stores[i] = fmt.Sprintf("{memcached: {servers: [%q]}}", s.stores[i].Addr())
		} else {
			s.stores[i] = running(t)(localserver.Redis(t.Context(), localserver.Options{}))
			stores[i] = fmt.Sprintf("{redis: {addrs: [%q], database: 1}}", s.stores[i].Addr())
		}
	}
	var kinds strings.Builder
	for _, name := range slices.Sorted(maps.Keys(kindsYAML)) {
		fmt.Fprintf(&kinds, "  - {name: %s, max_age: 1h, %s}\n", name, kindsYAML[name])
	}
	// new's timeout is not the default of 250 ms: this machine runs everything at
	// once, and a stall of its own is not what is tried here.
	text := fmt.Sprintf(`migration: clients
agent: {name: web-1, state_dir: %q, key_file: %q}
listen: {memcached: [%q], redis: [%q], admin: %q}
sessions:
%sold: %s
new: %s
flags: {file: %q, agents: [%q]}
timeouts: {old: 5s, new: 5s, dial: 1s}
`, filepath.Join(dir, "state"), filepath.Join(dir, "hash.key"), s.memcached, s.redis, s.admin, kinds.String(), stores[0], stores[1], s.flagFile, s.admin)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := flags.Definition{Migration: "clients", Epoch: 1, KeepOld: true, Default: at}
	d.Weights[at] = flags.Buckets
	s.publish(d)
	s.start()
	return s
}

func (s *site) start() {
	s.t.Helper()
	cmd := exec.Command(s.bin, "agent", "--config", s.config, "--log-level", "warn")
	cmd.Stdout, cmd.Stderr = &s.said, &s.said
	var err error
	if s.proc, err = localserver.Start(cmd); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.stop)
	if s.api, err = agentapi.NewClient(s.admin, agentapi.ClientOptions{}); err != nil {
		s.t.Fatal(err)
	}
	poll(s.t, 20*time.Second, "the agent to be ready", func() bool {
		select {
		case <-s.proc.Done():
			s.t.Fatalf("the agent ended: %s", s.said.String())
		default:
		}
		st, err := s.api.Status(s.t.Context())
		return err == nil && st.State == agentapi.Ready
	})
}

// stop ends the agent, and looks at what it said.
func (s *site) stop() {
	s.api.Close()
	if err := s.proc.Stop(15 * time.Second); err != nil {
		s.t.Error(err)
	}
	if said := s.said.String(); strings.Contains(said, "DATA RACE") || strings.Contains(said, "panic") || strings.Contains(said, "goroutine ") {
		s.t.Errorf("the agent said: %s", said)
	}
}

// addr is where a client finds the agent.
func (s *site) addr(c client) string {
	if c.speaks == "memcached" {
		return s.memcached
	}
	return s.redis
}

// ladder is how each position is come to. Two of them are none that the command
// line stays in.
var ladder = []struct {
	to    position.Position
	verbs []string
}{
	{to: position.Off},
	{to: position.Mirror, verbs: []string{"ramp mirror 100"}},
	{to: position.Fenced},
	{to: position.ReadNew, verbs: []string{"backfill", "verify", "ramp read-new 100"}},
	{to: position.Sealed},
	{to: position.Cutover, verbs: []string{"ramp cutover 100"}},
}

// step moves all sessions up the ladder by one.
func (s *site) step(i int) {
	s.t.Helper()
	for _, v := range ladder[i].verbs {
		s.crossfade(strings.Fields(v)...)
	}
	d := s.revision()
	if len(ladder[i].verbs) == 0 && i > 0 {
		if d.Settled > 0 { // taken back before a session may leave read-new
			d.Settled = 0
			s.reach(&d)
		}
		d.Weights = flags.Weights{}
		d.Weights[ladder[i].to] = flags.Buckets
		d.Default = ladder[i].to
		s.reach(&d)
	}
	if d.Weights[ladder[i].to] != flags.Buckets {
		s.t.Fatalf("weights %v, want all at %v", d.Weights, ladder[i].to)
	}
}

// reach publishes the next revision, past the command line, and waits until the
// agent has left everything older behind.
func (s *site) reach(d *flags.Definition) {
	s.t.Helper()
	d.Epoch++
	s.publish(*d)
	poll(s.t, time.Minute, fmt.Sprintf("revision %d to be acknowledged", d.Epoch), func() bool {
		st, err := s.api.Status(s.t.Context())
		return err == nil && st.Epoch == d.Epoch && st.Acknowledged
	})
}

func (s *site) revision() flags.Definition {
	s.t.Helper()
	data, err := os.ReadFile(s.flagFile)
	if err != nil {
		s.t.Fatal(err)
	}
	snap, err := flags.Parse(data)
	if err != nil {
		s.t.Fatal(err)
	}
	return snap.Definition()
}

func (s *site) publish(d flags.Definition) {
	s.t.Helper()
	data, err := d.MarshalFlagd()
	if err == nil {
		err = os.WriteFile(s.flagFile+".next", data, 0o600)
	}
	if err == nil {
		err = os.Rename(s.flagFile+".next", s.flagFile)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) crossfade(args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	out, err := exec.CommandContext(ctx, s.bin, append(args, "--config", s.config, "--wait", "60s")...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("crossfade %s: %v\n%s\nthe agent said: %s", strings.Join(args, " "), err, out, s.said.String())
	}
	s.t.Logf("$ crossfade %s  # %.1fs", strings.Join(args, " "), time.Since(began).Seconds())
}
