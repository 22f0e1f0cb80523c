package cutoff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/certs"
	"github.com/seed-41165957/crossfade/migrate/certs/certstest"
)

// TestServer: agents come, go, are cut off, forgotten and wake up, with a server
// that is there, killed, and there again. All speak TLS with it, show certificates
// of their own and a token.
func TestServer(t *testing.T) {
	t.Parallel()
	f := newStores(t)
	addr := backendtest.FreeAddr(t)
	ca, ours := certstest.NewCA(t), t.TempDir()
	cert, key := ca.Sign(t, ours, "127.0.0.1")
	agentCert, agentKey := ca.Sign(t, t.TempDir())
	token := filepath.Join(ours, "token")
	if err := os.WriteFile(token, []byte("a-token-of-a-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.flags = fmt.Sprintf(`flags: {server: [%q], ca_file: %q, cert_file: %q, key_file: %q}
server: {name: ctl, listen: %q, token_file: %q, state_dir: %q, tls: {cert_file: %q, key_file: %q, client_ca_file: %q}}`,
		addr, ca.File, agentCert, agentKey, addr, token, filepath.Join(f.dir, "server"), cert, key, ca.File)
	dialer, err := certs.NewDialer(certs.Files{CAFile: ca.File, CertFile: agentCert, KeyFile: agentKey}, nil)
	if err != nil {
		t.Fatal(err)
	}
	asks := http.Client{Transport: &http.Transport{DialContext: dialer.Dial, DisableKeepAlives: true}}
	config := f.config("operator", backendtest.FreeAddr(t), backendtest.FreeAddr(t), backendtest.FreeAddr(t), "")
	var server *localserver.Process
	serve := func() {
		t.Helper()
		var err error
		if server, err = localserver.Start(exec.Command(binarytest.Path(t), "server", "--config", config)); err != nil {
			t.Fatal(err)
		}
		binarytest.Within(t, time.Minute, "the server leads", func() bool {
			r, err := asks.Get("http://" + addr + "/readyz")
			if err != nil {
				return false
			}
			defer r.Body.Close()
			return r.StatusCode == http.StatusOK
		})
	}
	kill := func() {
		t.Helper()
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	do := func(args ...string) string { t.Helper(); return f.verb(config, args...) }
	ready := func(h *host) {
		t.Helper()
		binarytest.Within(t, time.Minute, h.name+" is ready", func() bool { code, _ := h.get("/readyz"); return code == http.StatusOK })
	}
	t.Cleanup(func() {
		if err := server.Stop(10 * time.Second); err != nil {
			t.Error(err)
		}
	})
	// The server's host has the fleet's hash key, as every host.
	if err := os.WriteFile(filepath.Join(f.dir, "hash.key"), []byte(strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve()
	one := f.add("web-1")
	one.start()
	ready(one)
	do("ramp", "mirror", "50")

	// Nobody is answered without TLS, nor without a certificate.
	if r, err := http.Get("http://" + addr + "/v1/status"); err == nil {
		if r.Body.Close(); r.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %s", r.Status)
		}
	}
	bare, err := certs.NewDialer(certs.Files{CAFile: ca.File}, nil)
	if err != nil {
		t.Fatal(err)
	}
	nobody := http.Client{Transport: &http.Transport{DialContext: bare.Dial, DisableKeepAlives: true}}
	if r, err := nobody.Get("http://" + addr + "/healthz"); err == nil {
		r.Body.Close()
		t.Errorf("without a certificate: %s", r.Status)
	}
	ca.Sign(t, ours, "127.0.0.1") // renewed: who connects from now on sees that

	// One that is new finds a roster without it, and is added.
	two := f.add("web-2")
	two.start()
	ready(two)
	binarytest.Within(t, 30*time.Second, "the note lists web-2", func() bool { return f.lists(two) })
	do("ramp", "mirror", "100")
	do("backfill")
	do("verify")
	do("ramp", "read-new", "100")
	if got := two.say(two.memcached, "set memc.sess.key.kept 0 600 1\r\nx\r\n"); got != "STORED" {
		t.Fatalf("set: %q", got)
	}

	// The server is gone: one that is restarted serves, one that is new does not.
	kill()
	one.stop()
	one.start()
	ready(one)
	if f.lists(one) {
		t.Error("without a server a new life came into the roster")
	}
	if got := one.say(one.memcached, "get memc.sess.key.kept\r\n"); !strings.HasPrefix(got, "VALUE") {
		t.Errorf("restarted without a server: %q", got)
	}
	three := f.add("web-3")
	three.start()
	time.Sleep(3 * time.Second) // the time that it waits for a server
	if code, body := three.get("/readyz"); code != http.StatusServiceUnavailable || !strings.HasPrefix(body, "starting") {
		t.Errorf("one that nobody waits for: %d %q", code, body)
	}
	if got := three.say(three.memcached, getMemcached); !strings.HasPrefix(got, "SERVER_ERROR") {
		t.Errorf("one that nobody waits for answers %q", got)
	}
	// One of its name, from another host: it has not the state folder.
	twin := f.add("web-1")
	twin.dir = "elsewhere"
	twin.start()
	time.Sleep(3 * time.Second)
	if code, body := twin.get("/readyz"); code != http.StatusServiceUnavailable || !strings.HasPrefix(body, "starting") {
		t.Errorf("another life of web-1: %d %q", code, body)
	}
	serve()
	ready(three)
	binarytest.Within(t, time.Minute, "the note lists web-1 as it lives now", func() bool { return f.lists(one) })
	if code, body := twin.get("/readyz"); code != http.StatusServiceUnavailable || !strings.HasPrefix(body, "starting") {
		t.Errorf("another life of web-1, with a server: %d %q", code, body)
	}
	twin.stop()
	if out := do("agents", "list"); strings.Count(out, "since") != 3 {
		t.Errorf("the roster:\n%s", out)
	}

	// Somebody goes to old past the agents: more than this test itself.
	past := func() (n int) {
		t.Helper()
		var b migrate.Bypass
		out, _ := exec.Command(binarytest.Path(t), "bypass", "--json", "--config", config).Output() // exit code 1: somebody does
		if err := json.NewDecoder(bytes.NewReader(out)).Decode(&b); err != nil || b.Error != "" {
			t.Fatalf("bypass: %v\n%s", err, out)
		}
		if len(b.Unsaid) > 0 { // agents come back to the server one by one
			return -1
		}
		for _, s := range b.Strangers {
			n += s.Connections
		}
		return n
	}
	before := -1
	binarytest.Within(t, time.Minute, "all agents to say which connections are theirs", func() bool { before = past(); return before >= 0 })
	stranger, err := net.Dial("tcp", f.old.Addr())
	if err != nil {
		t.Fatal(err)
	}
	binarytest.Within(t, 30*time.Second, "bypass finds a client of old", func() bool { return past() == before+1 })
	stranger.Close()

	// Frozen, forgotten, and awake again: it stops before it answers by what it
	// had for long.
	if err := three.p.Freeze(); err != nil {
		t.Fatal(err)
	}
	do("agents", "forget", "web-3")
	if err := three.p.Thaw(); err != nil {
		t.Fatal(err)
	}
	binarytest.Within(t, obeyed, "the forgotten one stops", func() bool { s, ok := three.status(); return ok && s.Stopped != "" })
	left(t, three)
	three.stop()
	binarytest.Within(t, time.Minute, "it is not let in by its name", func() bool { return !strings.Contains(do("agents", "list"), "web-3") })

	// Back without the server, which then takes over what the stores hold.
	kill()
	do("rollback", "--to", "mirror", "--via-store", "--wait", "60s")
	epoch := f.top().Epoch
	serve()
	binarytest.Within(t, time.Minute, "the server has caught up", func() bool {
		do("ramp", "mirror", "100")
		return strings.Contains(do("status"), "mirror 100 %")
	})
	if got := f.top().Epoch; got < epoch {
		t.Errorf("revision %d stands in the stores, %d after the rollback", got, epoch)
	}
	for _, h := range []*host{one, two} {
		if s, ok := h.status(); !ok || s.Stopped != "" || s.Epoch < epoch {
			t.Errorf("%s: revision %d, stopped %q", h.name, s.Epoch, s.Stopped)
		}
		if got := h.say(h.memcached, "get memc.sess.key.kept\r\n"); !strings.HasPrefix(got, "VALUE") {
			t.Errorf("%s at the end: %q", h.name, got)
		}
	}
}
