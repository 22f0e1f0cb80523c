package backendtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
)

// Twemproxy starts a twemproxy (tried with 0.5.0) in front of servers
// (host:port[:weight] [name]) for the test, and gives its address once it
// listens. settings are the pool's, one a line ("timeout: 400"), in place of its
// defaults. A missing program fails the test.
func Twemproxy(t testing.TB, settings string, servers ...string) (addr string) {
	t.Helper()
	bin := "nutcracker"
	if _, err := exec.LookPath(bin); err != nil {
		if bin = "/usr/sbin/nutcracker"; !exists(bin) {
			t.Fatal("nutcracker is missing: apt-get install nutcracker")
		}
	}
	addr = FreeAddr(t)
	_, port, _ := net.SplitHostPort(FreeAddr(t)) // of its statistics
	conf := "pool:\n  listen: " + addr + "\n"
	for line := range strings.Lines(settings) {
		conf += "  " + strings.TrimSpace(line) + "\n"
	}
	conf += "  servers:\n"
	for _, s := range servers {
		if strings.Count(s, ":") == 1 {
			s += ":1"
		}
		conf += "   - " + s + "\n"
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "n.yml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "log")
	p, err := localserver.Start(exec.Command(bin, "-c", filepath.Join(dir, "n.yml"), "-a", "127.0.0.1", "-s", port, "-o", log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop(10 * time.Second)
		if text, err := os.ReadFile(log); err == nil && t.Failed() {
			t.Logf("twemproxy said: %s", text)
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatal(fmt.Errorf("twemproxy does not listen: %w", err))
		}
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
