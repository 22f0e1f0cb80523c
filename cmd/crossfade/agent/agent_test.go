package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(t *testing.T, url string) (int, string) {
	t.Helper()
	c := http.Client{Timeout: 30 * time.Second}
	defer c.CloseIdleConnections()
	r, err := c.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("not within 30 s: " + what)
}

// started runs an agent from when it listens until stop.
func started(t *testing.T, c *config.Config) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listening, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- Run(ctx, c, Options{Version: "test", Listening: func() { close(listening) }}) }()
	select {
	case <-listening:
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestAgent: from a configuration to served clients and a clean end.
func TestAgent(t *testing.T) {
	dir := t.TempDir()
	mc, admin, web := backendtest.FreeAddr(t), backendtest.FreeAddr(t), backendtest.FreeAddr(t)
	text := fmt.Sprintf(`
migration: sessions
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {memcached: [%[2]s], redis: ["unix:%[1]s/redis.sock"], http: [%[4]s], admin: %[3]s}
sessions:
  - {name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"], locks: ["memc.sess.key.lock.{id}"]}
old: {memory: {}}
new: {memory: {}}
flags: {file: %[1]s/flags.json}
`, dir, mc, admin, web)
	c, err := config.Parse("crossfade.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	listening, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- Run(ctx, c, Options{Version: "test", Listening: func() { close(listening) }}) }()
	select {
	case <-listening:
	case err := <-done:
		t.Fatal(err)
	}

	// Without flags nobody is served, and the agent says so.
	if code, body := ask(t, "http://"+admin+"/readyz"); code != http.StatusServiceUnavailable || body != "starting\n" {
		t.Errorf("readyz without flags: %d %q", code, body)
	}
	if got := talk(t, "tcp", mc, "get memc.sess.key.abc\r\n"); !strings.HasPrefix(got, "SERVER_ERROR") {
		t.Errorf("get without flags: %q, want an error, never a miss", got)
	}

	d := flags.Definition{Migration: "sessions", Epoch: 1, Default: position.Mirror}
	d.Weights[position.Mirror] = flags.Buckets
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "flags.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready", func() bool { code, _ := ask(t, "http://"+admin+"/readyz"); return code == http.StatusOK })
	if got := talk(t, "tcp", mc, "set memc.sess.key.abc 7 600 5\r\nhello\r\n"); got != "STORED\r\n" {
		t.Errorf("set: %q", got)
	}
	if got := talk(t, "tcp", mc, "get memc.sess.key.abc\r\n"); got != "VALUE memc.sess.key.abc 7 5\r\n" {
		t.Errorf("get: %q", got)
	}
	if got := talk(t, "unix", dir+"/redis.sock", "GET memc.sess.key.abc\r\n"); got != "$5\r\n" {
		t.Errorf("the same session over the Redis socket: %q", got)
	}
	if code, body := ask(t, "http://"+web+"/v1/sessions/memc.sess.key.abc"); code != http.StatusOK || body != "hello" {
		t.Errorf("the same session over HTTP: %d %q", code, body)
	}
	_, body := ask(t, "http://"+admin+"/metrics")
	for _, want := range []string{
		`crossfade_requests_total{frontend="memcached",migration="sessions",op="get",position="mirror",result="hit"} 1`,
		`crossfade_requests_total{frontend="redis",migration="sessions",op="get",position="mirror",result="hit"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(body, "abc") {
		t.Error("a session id is in the metrics")
	}

	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("the end: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the agent does not end")
	}
	if data, err := os.ReadFile(filepath.Join(dir, "state", "start.json")); err != nil || !strings.Contains(string(data), `"clean":true`) {
		t.Errorf("the end was not clean: %s %v", data, err)
	}
}

// talk sends one request and reads the first line of the answer.
func talk(t *testing.T, network, addr, request string) string {
	t.Helper()
	c, err := net.DialTimeout(network, addr, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	io.WriteString(c, request)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// TestTaken: a port that is taken is an error that says which, and nothing is
// left behind.
func TestTaken(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := config.Parse("crossfade.yaml", fmt.Appendf(nil, `
migration: sessions
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {memcached: ["%[2]s"], admin: "%[3]s"}
sessions: [{name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"]}]
old: {memory: {}}
new: {memory: {}}
flags: {file: %[1]s/flags.json}
`, dir, l.Addr(), backendtest.FreeAddr(t)))
	if err != nil {
		t.Fatal(err)
	}
	err = Run(context.Background(), c, Options{})
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("got %v, want an error that names the port", err)
	}
}
