package phptest

import (
	"flag"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

// TestMain lets more tests run at once than there are cores: they wait, for
// pages, locks and clusters, more than they work.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "3"); err != nil {
		panic(err)
	}
	binarytest.Main(m)
}

var long = os.Getenv("CROSSFADE_LONG") != ""

// thinking is the time between two clicks of a user, on average: in the suite the
// clicks of all users leave room on two processors for the tests beside them.
var thinking = map[bool]time.Duration{false: 400 * time.Millisecond, true: 150 * time.Millisecond}[long]

// binary is an agent that was built as this test was.
func binary(t testing.TB) string { return binarytest.Path(t, raceFlag) }

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
