package systemd_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

// TestKeep: without a service manager, the agent's own keeper. 60 clients work
// through restarts, one of them to another binary under the same name, and
// notice nothing; a configuration that is wrong changes nothing; a child that is
// killed is started again; at the end nothing is left.
func TestKeep(t *testing.T) {
	s := newSite(t)
	for _, l := range s.listeners() {
		l.Close() // the keeper opens them
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "crossfade")
	replace(t, binarytest.Path(t), bin)
	keeper, err := localserver.Start(exec.Command(bin, "agent", "--keep-sockets", "--config", s.config, "--log-level", "warn"))
	if err != nil {
		t.Fatal(err)
	}
	defer keeper.Stop(30 * time.Second)
	serves := func() bool {
		w, err := connect(s.memcached.Addr().String())
		if err != nil {
			return false
		}
		defer w.Close()
		return w.ask("version\r\n", "VERSION ") == nil
	}
	binarytest.Within(t, 30*time.Second, "the first agent serves", serves)

	c := &crowd{memcached: s.memcached.Addr().String(), redis: s.redis.Addr().String()}
	quit := make(chan struct{})
	var clients sync.WaitGroup
	for range 30 {
		clients.Go(func() { c.visitor(quit, c.memcached, memcachedSpeech) })
		clients.Go(func() { c.visitor(quit, c.redis, redisSpeech) })
	}
	end := sync.OnceFunc(func() { close(quit); clients.Wait() })
	defer end()
	next := func(sig func(child int)) {
		t.Helper()
		was := child(t, keeper.Pid())
		sig(was)
		binarytest.Within(t, 30*time.Second, "another agent runs", func() bool { pid := child(t, keeper.Pid()); return pid != 0 && pid != was })
		binarytest.Within(t, 30*time.Second, "it serves", serves)
		served := c.requests.Load()
		binarytest.Within(t, 30*time.Second, "100 requests more", func() bool { return c.requests.Load() > served+100 })
	}
	again := func(int) { syscall.Kill(keeper.Pid(), syscall.SIGHUP) }

	for range 5 {
		next(again)
	}
	replace(t, binarytest.Path(t), bin)
	next(again)
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", child(t, keeper.Pid()))); err != nil || strings.Contains(exe, "deleted") {
		t.Errorf("after an upgrade the agent is %q, %v", exe, err)
	}
	good, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	before := child(t, keeper.Pid())
	if err := os.WriteFile(s.config, []byte("migration: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again(0)
	binarytest.Within(t, 30*time.Second, "the keeper says that the configuration is wrong", func() bool {
		return bytes.Contains([]byte(keeper.Output()), []byte("it goes on as it is"))
	})
	if now := child(t, keeper.Pid()); now != before || !serves() {
		t.Errorf("a configuration that is wrong: agent %d, before it %d", now, before)
	}
	if err := os.WriteFile(s.config, good, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, f := range c.taken() {
		if i < 10 {
			t.Errorf("a client noticed a restart: %v", f.err)
		}
	}
	next(func(pid int) { syscall.Kill(pid, syscall.SIGKILL) })
	for _, f := range c.taken() {
		if f.refused {
			t.Errorf("refused after the child was killed: %v", f.err)
		}
	}
	end()
	t.Logf("%d requests, the slowest %v", c.requests.Load(), c.worst().Round(time.Millisecond))

	last := child(t, keeper.Pid())
	if err := keeper.Stop(30 * time.Second); err != nil {
		t.Errorf("the end: %v", err)
	}
	if syscall.Kill(last, 0) == nil {
		t.Error("the agent has outlived its keeper")
	}
	if nc, err := net.Dial("tcp", s.memcached.Addr().String()); err == nil {
		nc.Close()
		t.Error("somebody still listens")
	}
}

// TestKeepRefuses: where the first agent cannot start the keeper says so, and
// does not try for ever.
func TestKeepRefuses(t *testing.T) {
	s := newSite(t) // which holds the ports
	cmd := exec.Command(binarytest.Path(t), "agent", "--keep-sockets", "--config", s.config)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is another agent running?") {
		t.Errorf("%v: %s", err, out)
	}
}

// child is the number of a process' only child; 0 while it has none.
func child(t *testing.T, pid int) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tasks {
		b, _ := os.ReadFile(f)
		if f := strings.Fields(string(b)); len(f) > 0 {
			n, _ := strconv.Atoi(f[0])
			return n
		}
	}
	return 0
}

// replace puts a copy of a file in another's place, as a package manager does.
func replace(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}
