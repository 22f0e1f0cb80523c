package agent

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
)

// TestRedisAsItIs: a client that names a password, a user and a database goes on
// naming them, to the agent in place of its Redis.
func TestRedisAsItIs(t *testing.T) {
	rd := backendtest.Redis(t, "--requirepass", "hidden")
	dir := t.TempDir()
	d := flags.Definition{Migration: "sessions", Epoch: 1, Default: position.Off}
	d.Weights[position.Off] = flags.Buckets
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"flags.json": string(data), "secret": "hidden\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at, admin := backendtest.FreeAddr(t), backendtest.FreeAddr(t)
	c, err := config.Parse("crossfade.yaml", fmt.Appendf(nil, `
migration: sessions
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {connections: 2, redis: [%[2]q], redis_password_file: %[1]s/secret, admin: %[3]q}
sessions: [{name: php, keys: ["s.{id: [a-z0-9]+}"]}]
old: {redis: {addrs: [%[4]q], password_file: %[1]s/secret, database: 2}}
new: {memory: {}}
flags: {file: %[1]s/flags.json}
`, dir, at, admin, rd.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer started(t, c)()
	eventually(t, "ready", func() bool { code, _ := ask(t, "http://"+admin+"/readyz"); return code == 200 })
	const hello = "AUTH hidden\r\nSELECT 2\r\n"
	if got := frontendtest.Ask(t, at, hello+"SETEX s.abc 100 hi\r\nSELECT 0\r\nGET s.abc\r\n"); got != "+OK\r\n+OK\r\n+OK\r\n+OK\r\n$2\r\nhi\r\n" {
		t.Errorf("the agent: %q", got)
	}
	if got := frontendtest.Ask(t, rd.Addr(), hello+"GET s.abc\r\n"); got != "+OK\r\n+OK\r\n$2\r\nhi\r\n" {
		t.Errorf("redis-server: %q", got)
	}
	if got := frontendtest.Ask(t, at, "AUTH default hidden\r\nSELECT 3\r\nPING\r\n"); !strings.HasPrefix(got, "+OK\r\n-ERR DB index is out of range: ") || !strings.HasSuffix(got, "+PONG\r\n") {
		t.Errorf("another database: %q", got)
	}
	var open []net.Conn
	defer func() {
		for _, nc := range open {
			nc.Close()
		}
	}()
	eventually(t, "one connection too many", func() bool {
		nc, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if open = append(open, nc); len(open) <= 2 {
			return false
		}
		nc.SetReadDeadline(time.Now().Add(10 * time.Second))
		got, _ := io.ReadAll(nc)
		return string(got) == "-ERR max number of clients reached\r\n"
	})
	for _, nc := range open {
		nc.Close()
	}
	eventually(t, "room again", func() bool { return frontendtest.Ask(t, at, "QUIT\r\n") == "+OK\r\n" })
	for _, say := range []string{"GET s.abc\r\n", "AUTH wrong\r\nGET s.abc\r\n"} {
		if got := frontendtest.Ask(t, at, say); !strings.Contains(got, "-NOAUTH ") || strings.Contains(got, "hi") {
			t.Errorf("a stranger: %q", got)
		}
	}
}
