package phptest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// memcachedKeys is php-memcached today and phpredis tomorrow. phpredis may
// already speak to the agent: a session is the same under both names.
const memcachedKeys = `
  - name: php
    keys: ["memc.sess.key.{id: [A-Za-z0-9,-]+}", "PHPREDIS_SESSION:{id}"]
    locks: ["memc.sess.key.lock.{id}", "PHPREDIS_SESSION:{id}_LOCK"]
    new_key: "PHPREDIS_SESSION:{id}"
    new_lock: "PHPREDIS_SESSION:{id}_LOCK"
    format: php
    max_age: 1h
`

// fleet is the agents of one migration, each a process of the crossfade
// binary, and the configuration that the command line uses.
type fleet struct {
	t       testing.TB
	dir     string
	bin     string
	agents  []*sidecar
	stopped bool
}

// sidecar is one agent.
type sidecar struct {
	name, config, flagFile  string
	memcached, redis, admin string
	proc                    *localserver.Process
	said                    output
	api                     *agentapi.Client
}

// setting is what differs between tests.
type setting struct {
	sessions string   // yaml, below sessions:
	old, new string   // yaml of one store
	own      []string // yaml of old for each agent, where each host has its own
	patience string   // timeouts.old; empty: 3s
	sockets  bool     // clients come by Unix sockets
	// apart gives each agent a flag file of its own, so that a test can hold
	// them in neighbouring positions.
	apart bool
	at    position.Position // where it begins
}

func memcachedAt(s *localserver.Server) string {
	return fmt.Sprintf(`{memcached: {servers: [%q]}}`, s.Addr())
}

func redisAt(s *localserver.Server) string { return fmt.Sprintf(`{redis: {addrs: [%q]}}`, s.Addr()) }

// newFleet starts n agents.
func newFleet(t testing.TB, n int, s setting) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), bin: binary(t)}
	var admins []string
	for i := range n {
		a := &sidecar{name: fmt.Sprintf("web-%d", i+1), memcached: backendtest.FreeAddr(t), redis: backendtest.FreeAddr(t), admin: backendtest.FreeAddr(t)}
		if s.sockets {
			a.redis, a.memcached = "unix:"+filepath.Join(f.dir, a.name+".sock"), "unix:"+filepath.Join(f.dir, a.name+"-mc.sock")
		}
		a.config, a.flagFile = filepath.Join(f.dir, a.name+".yaml"), filepath.Join(f.dir, "flags.json")
		if s.apart {
			a.flagFile = filepath.Join(f.dir, a.name+".json")
		}
		f.agents, admins = append(f.agents, a), append(admins, a.admin)
		f.publish(a, only(s.at, 1))
	}
	for i, a := range f.agents {
		if s.own != nil {
			s.old = s.own[i]
		}
		// new's timeout is not the default of 250 ms: this machine runs
		// everything at once, and a stall of its own is not what is tried here.
		text := fmt.Sprintf(`migration: phptest
agent: {name: %s, state_dir: %q, key_file: %q}
listen: {memcached: [%q], redis: [%q], admin: %q}
sessions:%sold: %s
new: %s
flags: {file: %q, agents: ["%s"]}
timeouts: {old: %s, new: 1s, dial: 1s}
`, a.name, filepath.Join(f.dir, a.name), filepath.Join(f.dir, "hash.key"), a.memcached, a.redis, a.admin, s.sessions, s.old, s.new,
			a.flagFile, strings.Join(admins, `", "`), cmp.Or(s.patience, "3s"))
		if err := os.WriteFile(a.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f.start(a)
	}
	t.Cleanup(f.stop)
	return f
}

func (f *fleet) start(a *sidecar) {
	f.t.Helper()
	cmd := exec.Command(f.bin, "agent", "--config", a.config, "--log-level", "warn")
	cmd.Stdout, cmd.Stderr = &a.said, &a.said
	var err error
	if a.proc, err = localserver.Start(cmd); err != nil {
		f.t.Fatal(err)
	}
	if a.api, err = agentapi.NewClient(a.admin, agentapi.ClientOptions{}); err != nil {
		f.t.Fatal(err)
	}
	poll(f.t, 20*time.Second, a.name+" to be ready", func() bool {
		select {
		case <-a.proc.Done():
			f.t.Fatalf("%s ended: %s", a.name, a.said.String())
		default:
		}
		s, err := a.api.Status(f.t.Context())
		return err == nil && s.State == agentapi.Ready
	})
}

// stop ends the agents, and looks at what they said.
func (f *fleet) stop() {
	if f.stopped {
		return
	}
	f.stopped = true
	for _, a := range f.agents {
		if a.proc == nil {
			continue
		}
		if a.api != nil {
			a.api.Close()
		}
		if err := a.proc.Stop(15 * time.Second); err != nil {
			f.t.Error(err)
		}
		if said := a.said.String(); strings.Contains(said, "DATA RACE") || strings.Contains(said, "panic") || strings.Contains(said, "goroutine ") {
			f.t.Errorf("%s said: %s", a.name, said)
		} else if f.t.Failed() {
			f.t.Logf("%s said: %s", a.name, said)
		}
	}
}

// only is a revision with every session at one position.
func only(p position.Position, epoch uint64) flags.Definition {
	d := flags.Definition{Migration: "phptest", Epoch: epoch, KeepOld: true}
	d.Weights[p] = flags.Buckets
	d.Default = p
	if p == position.Cutover || p == position.Back {
		d.CutoverFloor = flags.Buckets
	}
	return d
}

// publish gives an agent a revision, past the command line.
func (f *fleet) publish(a *sidecar, d flags.Definition) {
	f.t.Helper()
	data, err := d.MarshalFlagd()
	if err == nil {
		err = os.WriteFile(a.flagFile+".next", data, 0o600)
	}
	if err == nil {
		err = os.Rename(a.flagFile+".next", a.flagFile)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// acknowledged waits until an agent has left everything older behind.
func (f *fleet) acknowledged(a *sidecar, epoch uint64) {
	f.t.Helper()
	poll(f.t, 40*time.Second, fmt.Sprintf("%s to acknowledge revision %d", a.name, epoch), func() bool {
		s, err := a.api.Status(f.t.Context())
		return err == nil && s.Epoch == epoch && s.Acknowledged
	})
}

// crossfade runs one command line, and fails the test unless it ends with 0.
func (f *fleet) crossfade(args ...string) { f.t.Helper(); f.crossfadeAt(0, args...) }

// crossfadeAt runs it with one host's configuration.
func (f *fleet) crossfadeAt(i int, args ...string) {
	f.t.Helper()
	if out, code := f.run(i, append(args, "--wait", "60s")...); code != 0 {
		for _, a := range f.agents {
			f.t.Logf("%s said: %s", a.name, a.said.String())
		}
		f.t.Fatalf("crossfade %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
}

// run runs one command line, and gives what it printed and its exit code.
func (f *fleet) run(i int, args ...string) (string, int) {
	f.t.Helper()
	return f.runWith(i, "", args...)
}

func (f *fleet) runWith(i int, stdin string, args ...string) (string, int) {
	f.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, f.bin, append(args, "--config", f.agents[i].config)...)
	// It ends with this test, also when that is killed: the kernel asks which
	// thread has started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, progress bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &progress
	err := cmd.Run()
	f.t.Logf("$ crossfade %s  # %.1fs: %s", strings.Join(args, " "), time.Since(began).Seconds(), strings.Join(strings.Fields(out.String()), " "))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	return out.String() + progress.String(), cmd.ProcessState.ExitCode()
}

// output is what a process has printed; the first megabyte.
type output struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, p[:min(len(p), 1<<20-min(len(o.b), 1<<20))]...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}
