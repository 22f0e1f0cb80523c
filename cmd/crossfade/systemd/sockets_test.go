package systemd

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// handOver makes listeners look handed over.
func handOver(t *testing.T, ls ...net.Listener) *Set {
	s := &Set{}
	for _, l := range ls {
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		got, err := net.FileListener(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		s.sockets = append(s.sockets, socket{got, "crossfade-agent.socket"})
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func listen(t *testing.T, network, addr string) net.Listener {
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestTake(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "redis.sock")
	four, every, unix := listen(t, "tcp4", "127.0.0.1:0"), listen(t, "tcp", ":0"), listen(t, "unix", path)
	link := filepath.Join(t.TempDir(), "run")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(four.Addr().String())
	_, all, _ := net.SplitHostPort(every.Addr().String())
	for _, tt := range []struct {
		l    net.Listener
		addr string
		want bool
	}{
		{four, "127.0.0.1:" + port, true},
		{four, "localhost:" + port, true},
		{four, "127.0.0.2:" + port, false},
		{four, "127.0.0.1:1", false},
		{four, ":" + port, false},
		{four, "unix:" + path, false},
		{every, ":" + all, true},
		{every, "0.0.0.0:" + all, true},
		{every, "127.0.0.1:" + all, false},
		{unix, "unix:" + path, true},
		{unix, "unix:" + dir + "/./redis.sock", true},
		{unix, "unix:" + link + "/redis.sock", true},
		{unix, "unix:" + dir + "/other.sock", false},
		{unix, "127.0.0.1:" + port, false},
	} {
		s := handOver(t, tt.l)
		l := s.Take(tt.addr)
		if (l != nil) != tt.want {
			t.Errorf("%s for a socket at %s: %v, want %v", tt.addr, tt.l.Addr(), l != nil, tt.want)
		}
		if err := s.Left(); (err == nil) != tt.want || err != nil && !strings.Contains(err.Error(), tt.l.Addr().String()) {
			t.Errorf("%s for a socket at %s: left over: %v", tt.addr, tt.l.Addr(), err)
		}
		if l != nil {
			l.Close()
		}
		s.Close()
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o777&^umask(t) {
		t.Errorf("the unix socket was removed or changed: %v %v", info, err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("a client is refused after the listener was closed: %v", err)
	} else {
		c.Close()
	}
}

// umask is what new files lack here.
func umask(t *testing.T) os.FileMode {
	l := listen(t, "unix", filepath.Join(t.TempDir(), "s"))
	info, err := os.Stat(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return 0o777 &^ info.Mode().Perm()
}

// TestNotForUs: what was meant for another process is left alone, and nil is
// an empty set.
func TestNotForUs(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_FDNAMES", "x")
	s, err := Sockets()
	if err != nil || len(s.sockets) != 0 || os.Getenv("LISTEN_FDS") != "" {
		t.Errorf("got %v, %v, LISTEN_FDS=%q", s.sockets, err, os.Getenv("LISTEN_FDS"))
	}
	s = nil
	if s.Take("127.0.0.1:1") != nil || s.Left() != nil || s.Close() != nil {
		t.Error("nil is not empty")
	}
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	if err := Notify(Ready); err != nil {
		t.Error(err)
	}
	Watchdog(context.Background(), func() { t.Error("asked without a watchdog") })
}

// TestActivate: what systemd itself hands over, with its name.
func TestActivate(t *testing.T) {
	program, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Fatal("systemd-socket-activate is not installed: apt-get install systemd")
	}
	path := filepath.Join(t.TempDir(), "s.sock")
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-l", path, "--fdname", "redis", "-E", "CROSSFADE_ACTIVATED=unix:"+path, test, "-test.run=^TestActivated$", "-test.v")
	out := make(chan string, 1)
	go func() {
		b, _ := cmd.CombinedOutput()
		out <- string(b)
	}()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", path); err == nil {
			defer c.Close()
			break
		}
	}
	select {
	case got := <-out:
		if !strings.Contains(got, "--- PASS: TestActivated") {
			t.Error(got)
		}
	case <-time.After(time.Minute):
		cmd.Process.Kill()
		t.Fatal("systemd-socket-activate does not end")
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the unix socket is gone: %v", err)
	}
}

// TestActivated is the other half of TestActivate, in a process of its own.
func TestActivated(t *testing.T) {
	addr := os.Getenv("CROSSFADE_ACTIVATED")
	if addr == "" {
		return // not started by TestActivate
	}
	s, err := Sockets()
	if err != nil || len(s.sockets) != 1 || s.sockets[0].name != "redis" {
		t.Fatalf("handed over: %+v, %v", s.sockets, err)
	}
	if again, err := Sockets(); err != nil || len(again.sockets) != 0 {
		t.Errorf("twice: %v %v", again.sockets, err)
	}
	if err := s.Left(); err == nil || !strings.Contains(err.Error(), addr+" (redis)") {
		t.Errorf("left over: %v", err)
	}
	l := s.Take(addr)
	if l == nil {
		t.Fatal("not taken")
	}
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
