package localserver_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
)

type starter func(context.Context, localserver.Options) (*localserver.Server, error)

func TestServers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start starter
		ask   string
		want  string
		ports int
	}{
		{"redis", localserver.Redis, "PING\r\n", "+PONG", 22768},
		{"memcached", localserver.Memcached, "version\r\n", "VERSION ", 32768},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := tt.start(t.Context(), localserver.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			})
			if _, p, _ := net.SplitHostPort(s.Addr()); mustAtoi(t, p) >= tt.ports {
				t.Errorf("port %s, want one below %d", p, tt.ports)
			}
			answers := func(want bool) {
				t.Helper()
				wait := answer
				if !want {
					wait = silence
				}
				if got := ask(s.Addr(), tt.ask, wait); strings.HasPrefix(got, tt.want) != want {
					t.Fatalf("asked %q, got %q, want %q: %v", tt.ask, got, tt.want, want)
				}
			}
			answers(true)
			pid := s.Pid()
			do(t, s.Freeze)
			answers(false)
			do(t, s.Thaw)
			answers(true)
			do(t, s.Kill)
			answers(false)
			do(t, func() error { return s.Restart(t.Context()) })
			answers(true)
			if s.Pid() == pid {
				t.Error("the same process after a restart")
			}
			do(t, s.Freeze) // a frozen server can be stopped too
			do(t, s.Stop)
			answers(false)
			do(t, s.Stop)
			if err := s.Freeze(); err == nil {
				t.Error("froze a stopped server")
			}
		})
	}
}

func TestExtraArguments(t *testing.T) {
	s, err := localserver.Redis(t.Context(), localserver.Options{Args: []string{"--requirepass", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if got := ask(s.Addr(), "PING\r\n", answer); !strings.HasPrefix(got, "-NOAUTH") {
		t.Errorf("got %q, want -NOAUTH", got)
	}
	if _, err := localserver.Redis(t.Context(), localserver.Options{Args: []string{"--no-such-option"}}); err == nil {
		t.Error("a wrong argument was accepted")
	}
}

func TestMissingProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for want, start := range map[string]starter{"redis-server": localserver.Redis, "memcached": localserver.Memcached} {
		if _, err := start(t.Context(), localserver.Options{}); err == nil || !strings.Contains(err.Error(), "apt-get install "+want) {
			t.Errorf("got %v, want an error that says what to install", err)
		}
	}
}

// TestChildDiesWithParent starts this test again as a parent that starts a
// server and is killed.
func TestChildDiesWithParent(t *testing.T) {
	if os.Getenv("LOCALSERVER_PARENT") != "" {
		s, err := localserver.Redis(t.Context(), localserver.Options{})
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("addr " + s.Addr() + "\n")
		select {} // killed
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildDiesWithParent$")
	cmd.Env = append(os.Environ(), "LOCALSERVER_PARENT=1", "TMPDIR="+t.TempDir())
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout = w
	parent, err := localserver.Start(cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Kill()
	b := make([]byte, 256)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimPrefix(strings.TrimSpace(string(b[:n])), "addr ")
	if got := ask(addr, "PING\r\n", answer); got != "+PONG\r\n" {
		t.Fatalf("got %q from the child at %q", got, addr)
	}
	do(t, parent.Kill)
	for end := time.Now().Add(30 * time.Second); ask(addr, "PING\r\n", silence) != ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the child outlives its parent")
		}
	}
}

// answer is how long a server that runs may take on a busy machine, silence how
// long one that stands still is listened to.
const (
	answer  = 30 * time.Second
	silence = 200 * time.Millisecond
)

func ask(addr, q string, wait time.Duration) string {
	c, err := net.DialTimeout("tcp", addr, wait)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(wait))
	c.Write([]byte(q))
	b := make([]byte, 64)
	n, _ := c.Read(b)
	return string(b[:n])
}

func do(t *testing.T, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

func mustAtoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
