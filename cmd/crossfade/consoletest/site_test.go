package consoletest

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

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/migrate/access"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/certs/certstest"
)

// site is a small site: memcached and redis, two agents, a server with people,
// and users.
type site struct {
	t      testing.TB
	dir    string
	scheme string
	server string // its port
	old    string // memcached's
	people string // the file of them
	agents []string
	procs  map[string]*localserver.Process
	said   map[string]*output
}

// steps have no limits: a busy machine must not hold the plan.
const steps = `gates: {logouts: off, divergence: off, p99: off, errors: off, timeouts: off, marks: off, synthetic: off, samples: 0}
steps:
- {ramp: mirror, to: 1}
- {ramp: mirror, to: 25}
- {ramp: mirror, to: 100}
- {do: backfill}
- {do: verify}
- {ramp: read-new, to: 100}
`

// newSite makes it; with tls its server speaks that, to agents and browsers.
func newSite(t testing.TB, tls bool) *site {
	t.Helper()
	s := &site{t: t, scheme: "http://", dir: t.TempDir(), server: backendtest.FreeAddr(t), procs: map[string]*localserver.Process{}, said: map[string]*output{}}
	old, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { old.Stop() })
	s.old = old.Addr()
	new, err := localserver.Redis(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { new.Stop() })
	s.people = filepath.Join(s.dir, "people.yaml")
	s.write("hash.key", strings.Repeat("5a", 32)+"\n")
	s.write("token", strings.Repeat("t0", 20)+"\n")
	s.write("plan.yaml", steps)
	for name, role := range map[string]access.Role{"ada": access.Admin, "grace": access.Operator, "vic": access.Viewer} {
		s.person(name, role, password)
	}
	ca, more := "", ""
	if tls {
		s.scheme = "https://"
		by := certstest.NewCA(t)
		cert, key := by.Sign(t, s.dir, "127.0.0.1")
		ca, more = fmt.Sprintf(", ca_file: %q", by.File), fmt.Sprintf(", tls: {cert_file: %q, key_file: %q}", cert, key)
	}
	config := func(name, memcached, admin, more string) {
		s.write(name+".yaml", fmt.Sprintf(`migration: sessions
agent: {name: %s, state_dir: %q, key_file: %q}
listen: {memcached: [%q], admin: %q}
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
timeouts: {old: 10s, new: 10s, dial: 5s}
flags: {server: [%q]%s}
server: {token_file: %q%s}
`, name, filepath.Join(s.dir, name), filepath.Join(s.dir, "hash.key"), memcached, admin, old.Addr(), new.Addr(), s.server, ca, filepath.Join(s.dir, "token"), more))
	}
	config("ctl-1", "127.0.0.1:1", "127.0.0.1:1", more+fmt.Sprintf(", name: ctl-1, listen: %q, state_dir: %q, users_file: %q, plan: %q", s.server, filepath.Join(s.dir, "server"), s.people, filepath.Join(s.dir, "plan.yaml")))
	var admins []string
	for i := range 2 {
		at, admin := backendtest.FreeAddr(t), backendtest.FreeAddr(t)
		config(fmt.Sprintf("web-%d", i+1), at, admin, "")
		s.agents, admins = append(s.agents, at), append(admins, admin)
	}
	t.Cleanup(s.end)
	s.start("server", "ctl-1")
	s.start("agent", "web-1")
	s.start("agent", "web-2")
	for _, admin := range admins {
		c, err := agentapi.NewClient(admin, agentapi.ClientOptions{Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		binarytest.Within(t, patience, "an agent to serve", func() bool {
			st, err := c.Status(t.Context())
			return err == nil && st.State == agentapi.Ready
		})
	}
	return s
}

// password is everybody's.
const password = "correct horse battery"

// person adds somebody to the file of people, or gives them another password.
// Their bcrypt is of the least cost: what it costs is tested elsewhere.
func (s *site) person(name string, role access.Role, password string) {
	s.t.Helper()
	sum, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		s.t.Fatal(err)
	}
	err = access.EditRoll(s.people, func(r *access.Roll) error {
		r.Remove(name)
		return r.Add(access.Person{Name: name, Role: role, Password: string(sum)})
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) url() string { return s.scheme + s.server + "/" }

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) start(verb, name string) {
	s.t.Helper()
	out := &output{}
	cmd := exec.Command(binarytest.Path(s.t), verb, "--config", filepath.Join(s.dir, name+".yaml"), "--log-level", "warn")
	cmd.Stdout, cmd.Stderr = out, out
	p, err := localserver.Start(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	s.procs[name], s.said[name] = p, out
}

func (s *site) stop(name string) {
	s.t.Helper()
	if err := s.procs[name].Stop(patience); err != nil {
		s.t.Error(err)
	}
	delete(s.procs, name)
}

func (s *site) end() {
	for _, name := range []string{"web-1", "web-2", "ctl-1"} {
		if s.procs[name] != nil {
			s.stop(name)
		}
		if said := s.said[name]; said != nil && (s.t.Failed() || strings.Contains(said.String(), "panic")) {
			s.t.Errorf("%s said: %s", name, said)
		}
	}
}

// traffic is users of both agents, until the test ends: each has some sessions,
// and writes and reads them. An error to one of them fails the test.
func (s *site) traffic() {
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	s.t.Cleanup(func() { stop(); wg.Wait() })
	for i, addr := range s.agents {
		wg.Go(func() {
			if err := visit(ctx, addr, i); err != nil {
				s.t.Errorf("a user of agent %d: %v", i+1, err)
			}
		})
	}
}

// visit writes and reads sixty sessions in turn.
func visit(ctx context.Context, addr string, who int) (err error) {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("memc.sess.key.user%d-%d", who, n%60)
		value := fmt.Sprintf("cart|i:%d;", n)
		if said, err := c.say(fmt.Sprintf("set %s 0 1800 %d\r\n%s", key, len(value), value)); err != nil || said != "STORED" {
			return fmt.Errorf("set: %q %w", said, err)
		}
		for range 3 {
			if said, err := c.say("get " + key); err != nil || !strings.HasPrefix(said, "VALUE ") {
				return fmt.Errorf("get: %q %w", said, err)
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}

// output is what a process has printed.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
