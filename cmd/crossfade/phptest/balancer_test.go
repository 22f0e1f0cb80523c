package phptest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
)

const stickyCookie = "SERV"

// balancer is HAProxy in front of two PHP hosts: first it keeps each browser on
// one of them by a cookie, later it sends it to any.
type balancer struct {
	*host
	t      testing.TB
	proc   *localserver.Process
	socket string
}

func newBalancer(t testing.TB, hosts [2]*host) *balancer {
	t.Helper()
	dir := t.TempDir()
	addr := backendtest.FreeAddr(t)
	b := &balancer{t: t, socket: filepath.Join(dir, "admin.sock"), host: &host{name: "haproxy", url: "http://" + addr + "/", jar: &sync.Map{}}}
	conf := fmt.Sprintf(`global
    stats socket %s level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    retries 3
    option redispatch
    option forwardfor
frontend site
    bind %s
    use_backend any if { nbsrv(roam) gt 0 }
    default_backend sticky
backend sticky
    balance roundrobin
    cookie %s insert indirect nocache
    server web-1 %s cookie s1
    server web-2 %s cookie s2
backend any
    balance roundrobin
    server web-1 %s
    server web-2 %s
backend roam
    server on 127.0.0.1:1 disabled
`, b.socket, addr, stickyCookie, hosts[0].addr(), hosts[1].addr(), hosts[0].addr(), hosts[1].addr())
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.proc, err = localserver.Start(exec.Command(program(t, "haproxy", "haproxy"), "-f", file, "-db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.proc.Stop(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
	poll(t, 10*time.Second, "haproxy: "+b.proc.Output(), func() bool { return listens(addr) })
	return b
}

func (h *host) addr() string { return strings.TrimSuffix(strings.TrimPrefix(h.url, "http://"), "/") }

// tell gives HAProxy an order, and gives what it answered.
func (b *balancer) tell(order string) string {
	b.t.Helper()
	c, err := net.Dial("unix", b.socket)
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, order+"\n"); err != nil {
		b.t.Fatal(err)
	}
	said, err := io.ReadAll(bufio.NewReader(c))
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimSpace(string(said))
}

// move gives the place of one PHP server to another, and ends the first once it
// has answered.
func (b *balancer) move(i int, from, to *host) {
	b.t.Helper()
	_, p, err := net.SplitHostPort(to.addr())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, backend := range []string{"sticky", "any"} {
		b.tell(fmt.Sprintf("set server %s/web-%d addr 127.0.0.1 port %s", backend, i+1, p))
	}
	b.quiet(from)
	from.stop(b.t)
}

// take takes a host out of the balancer, or puts it back.
func (b *balancer) take(i int, out bool) {
	state := "ready"
	if out {
		state = "maint"
	}
	for _, backend := range []string{"sticky", "any"} {
		b.tell(fmt.Sprintf("set server %s/web-%d state %s", backend, i+1, state))
	}
}

// quiet waits until a PHP server has no connection, seen twice in a tenth of a
// second. By the clock and not by looks: one look reads every connection of the
// machine.
func (b *balancer) quiet(h *host) {
	b.t.Helper()
	_, p, _ := net.SplitHostPort(h.addr())
	var n int
	fmt.Sscan(p, &n)
	local := fmt.Sprintf(":%04X ", n)
	var since time.Time
	poll(b.t, 20*time.Second, h.name+" to have answered", func() bool {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			b.t.Fatal(err)
		}
		calm := true
		for line := range strings.Lines(string(table)) {
			// Third field: the state, 01 is established (proc(5)).
			if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1]+" ", local) && f[3] == "01" {
				calm = false
			}
		}
		if !calm {
			since = time.Time{}
		} else if since.IsZero() {
			since = time.Now()
		}
		return calm && time.Since(since) > 100*time.Millisecond
	})
}
