package phptest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends/localserver"
	// Not called, but built below: without it go test would take an old result
	// of these tests for one of code that has changed since.
	_ "github.com/seed-41165957/crossfade/cmd/crossfade/cli"
)

// TestMain lets more tests run at once than there are cores: they wait, for
// pages, locks and clusters, more than they work.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(built.dir)
	os.Exit(code)
}

var long = os.Getenv("CROSSFADE_LONG") != ""

// built is the crossfade binary, made once for all tests.
var built struct {
	sync.Once
	dir string
	err error
}

func binary(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "crossfade-phptest-"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", raceFlag, "-o", filepath.Join(built.dir, "crossfade"), "github.com/seed-41165957/crossfade/cmd/crossfade")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "crossfade")
}

// program finds what has to be installed; Debian keeps some out of the usual
// path.
func program(t testing.TB, name, install string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: apt-get install %s", name, install)
	return ""
}

// port is a free one, below those that the kernel gives to clients and above
// most of those that localserver takes.
func port(t testing.TB) string {
	t.Helper()
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(22768+rand.IntN(10_000)))
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// poll waits until ok, at most limit.
func poll(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still waiting: %s", limit, what)
		}
	}
}

func memcachedServer(t testing.TB) *localserver.Server {
	t.Helper()
	return stopped(t)(localserver.Memcached(t.Context(), localserver.Options{}))
}

func redisServer(t testing.TB) *localserver.Server {
	t.Helper()
	return stopped(t)(localserver.Redis(t.Context(), localserver.Options{}))
}

func stopped(t testing.TB) func(*localserver.Server, error) *localserver.Server {
	return func(s *localserver.Server, err error) *localserver.Server {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
}

// listens tells whether somebody accepts connections there.
func listens(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
