package clientstest

import (
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

var (
	long   = os.Getenv("CROSSFADE_LONG") != ""
	update = flag.Bool("update", false, "rewrite the table in the docs")
)

func TestMain(m *testing.M) { binarytest.Main(m) }

// program finds what has to be installed; Debian keeps some out of the usual
// path.
func program(t testing.TB, name, install string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/bin/" + name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: %s", name, install)
	return ""
}

func testFile(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
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

func listens(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// running stops a server with the test; one that the test has killed is gone.
func running(t testing.TB) func(*localserver.Server, error) *localserver.Server {
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
