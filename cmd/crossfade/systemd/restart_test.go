package systemd_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// site is a configuration over a real memcached and a real Redis, in mirror,
// and the sockets that a service manager would hold.
type site struct {
	config                  string
	memcached, redis, admin net.Listener
}

func newSite(t *testing.T) *site {
	t.Helper()
	old, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { old.Stop() })
	store, err := localserver.Redis(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Stop() })
	s := &site{}
	for _, l := range []*net.Listener{&s.memcached, &s.redis, &s.admin} {
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*l).Close() })
	}
	dir := t.TempDir()
	s.config = filepath.Join(dir, "crossfade.yaml")
	text := fmt.Sprintf(`
migration: sessions
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {memcached: ["%[2]s"], redis: ["%[3]s"], admin: "%[4]s"}
sessions:
  - {name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"], locks: ["memc.sess.key.lock.{id}"], max_age: 1h}
old: {memcached: {servers: ["%[5]s"]}}
new: {redis: {addrs: ["%[6]s"]}}
flags: {file: %[1]s/flags.json}
`, dir, s.memcached.Addr(), s.redis.Addr(), s.admin.Addr(), old.Addr(), store.Addr())
	d := flags.Definition{Migration: "sessions", Epoch: 1, Default: position.Mirror}
	d.Weights[position.Mirror] = flags.Buckets
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"crossfade.yaml": []byte(text), "flags.json": data} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) listeners() []net.Listener { return []net.Listener{s.memcached, s.redis, s.admin} }

// TestRestart: 200 clients work through 20 restarts and notice nothing, and
// through 5 kills, of which only those notice that were being served.
func TestRestart(t *testing.T) {
	s := newSite(t)
	sup := supervise(t, s.listeners(), binarytest.Path(t), "agent", "--config", s.config, "--log-level", "warn")
	c := &crowd{memcached: s.memcached.Addr().String(), redis: s.redis.Addr().String()}
	quit := make(chan struct{})
	var clients sync.WaitGroup
	for range 90 {
		clients.Go(func() { c.visitor(quit, c.memcached, memcachedSpeech) })
		clients.Go(func() { c.visitor(quit, c.redis, redisSpeech) })
	}
	for range 10 {
		clients.Go(func() { c.keeper(quit, c.memcached, memcachedSpeech) })
		clients.Go(func() { c.keeper(quit, c.redis, redisSpeech) })
	}
	end := sync.OnceFunc(func() { close(quit); clients.Wait() })
	defer end()
	time.Sleep(300 * time.Millisecond)

	const restarts, kills = 20, 5
	var longest time.Duration
	for range restarts {
		began := time.Now()
		sup.restart(syscall.SIGTERM)
		longest = max(longest, time.Since(began))
		time.Sleep(200 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond)
	for i, f := range c.taken() {
		if i < 10 {
			t.Errorf("a client noticed a clean restart: %v", f.err)
		}
	}
	t.Logf("%d clean restarts, the longest %v; %d requests, the slowest %v; %d connections that were kept had to be made anew",
		restarts, longest.Round(time.Millisecond), c.requests.Load(), c.worst().Round(time.Millisecond), c.reconnects.Load())

	cut := 0
	for range kills {
		sup.restart(syscall.SIGKILL)
		died := sup.death()
		time.Sleep(500 * time.Millisecond)
		for _, f := range c.taken() {
			switch {
			case f.refused:
				t.Errorf("refused: %v", f.err)
			case f.began.After(died):
				t.Errorf("a request that began when the agent was dead met with it: %v", f.err)
			default:
				cut++
			}
		}
	}
	end()
	t.Logf("%d kills: %d requests were cut; refused: 0; %d requests in all, the slowest %v",
		kills, cut, c.requests.Load(), c.worst().Round(time.Millisecond))
	if cut == 0 {
		t.Error("no kill was noticed: nobody was being served")
	}
	sup.mu.Lock()
	defer sup.mu.Unlock()
	if sup.stops != restarts {
		t.Errorf("%d times STOPPING=1, want %d", sup.stops, restarts)
	}
	if sup.dogs == 0 {
		t.Error("never WATCHDOG=1")
	}
}

// TestLeftOver: a socket that is in no listen is refused by its address, and
// the agent does not start.
func TestLeftOver(t *testing.T) {
	s := newSite(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	f, err := other.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, l := range s.listeners() { // the agent listens there itself
		l.Close()
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=spare exec "$@"`, "sh", binarytest.Path(t), "agent", "--config", s.config)
	cmd.ExtraFiles = []*os.File{f}
	out, err := cmd.CombinedOutput()
	if want := other.Addr().String() + " (spare), which is in none of"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, %s: want %q", err, out, want)
	}
}
