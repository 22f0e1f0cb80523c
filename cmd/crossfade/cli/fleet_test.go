package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// say sends lines to a server and gives what it answers within a moment.
func say(t *testing.T, addr, lines string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, lines)
	c.(*net.TCPConn).CloseWrite()
	c.SetDeadline(time.Now().Add(30 * time.Second))
	b, _ := io.ReadAll(c)
	return string(b)
}

// TestCheckFleet: on real stores, with agents of which each is wrong in its own
// way. No row is wrong that should not be, and each wrong one says what mends it.
func TestCheckFleet(t *testing.T) {
	old, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Stop()
	store, err := localserver.Redis(t.Context(), localserver.Options{Args: []string{"--maxmemory", "6mb", "--maxmemory-policy", "allkeys-lru"}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Stop()
	const key = "memc.sess.key.%04dabc"
	var fill strings.Builder
	for i := range 300 {
		fmt.Fprintf(&fill, "set "+key+" 0 3600 20000 noreply\r\n%s\r\n", i, strings.Repeat("x", 20000))
	}
	say(t, old.Addr(), fill.String()+"add memc.sess.key.lock.0001abc 0 30 1 noreply\r\n1\r\nset other 0 60 1 noreply\r\nx\r\n")

	dir := t.TempDir()
	rule := redis.ACLRule("m", []string{"PHPREDIS_SESSION:"})
	if got := say(t, store.Addr(), "ACL SETUSER app on >pass "+rule+" -client|kill\r\n"); got != "+OK\r\n" {
		t.Fatal(got)
	}
	hasher, err := flags.LoadOrCreateKey(filepath.Join(dir, "hash.key"))
	if err != nil {
		t.Fatal(err)
	}
	d := flags.Definition{Migration: "m", Epoch: 3, Default: position.Off}
	d.Weights[position.Off] = flags.Buckets
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}

	// Each agent is right but for one thing.
	var c *config.Config
	good := func() agentapi.Status {
		return agentapi.Status{Version: parts.Version(), Migration: "m", State: agentapi.Ready, Now: time.Now(),
			Digest: c.Digest("", hasher.Digest(), parts.Version()), Status: darklaunch.Status{Epoch: 3, Acknowledged: true}}
	}
	wrong := map[string]func(*agentapi.Status){
		"":              func(*agentapi.Status) {},
		"state":         func(s *agentapi.Status) { s.State = agentapi.Passthrough },
		"migration":     func(s *agentapi.Status) { s.Migration = "other" },
		"version":       func(s *agentapi.Status) { s.Version = "v0.0.1" },
		"configuration": func(s *agentapi.Status) { s.Digest = strings.Repeat("f", 32) },
		"flags":         func(s *agentapi.Status) { s.Epoch = 2 },
		"clock":         func(s *agentapi.Status) { s.Now = s.Now.Add(-5 * time.Second) },
	}
	at := map[string]string{} // what is wrong: the address
	var addrs []string
	for name, change := range wrong {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			s := good()
			s.Agent, s.Start = "web-"+name, "life-"+name
			change(&s)
			json.NewEncoder(w).Encode(s)
		}))
		defer srv.Close()
		at[name] = srv.Listener.Addr().String()
		addrs = append(addrs, fmt.Sprintf("%q", at[name]))
	}
	path := filepath.Join(dir, "crossfade.yaml")
	text := fmt.Sprintf(`
migration: m
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {memcached: ["127.0.0.1:11311"]}
sessions:
  - {name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"], locks: ["memc.sess.key.lock.{id}"], new_key: "PHPREDIS_SESSION:{id}", new_lock: "PHPREDIS_SESSION:{id}_LOCK"}
old: {memcached: {servers: ["%[2]s"]}}
new: {redis: {addrs: ["%[3]s"], user: app, password_file: %[1]s/secret}}
flags: {file: %[1]s/flags.json, agents: [%[4]s]}
`, dir, old.Addr(), store.Addr(), strings.Join(addrs, ", "))
	for name, b := range map[string]string{"crossfade.yaml": text, "flags.json": string(data), "secret": "pass\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, err = config.Load(path); err != nil {
		t.Fatal(err)
	}

	look := func() (rows []row, code int) {
		var out bytes.Buffer
		code = Run(context.Background(), []string{"check", "--fleet", "--json", "--config", path}, nil, &out, io.Discard)
		if err := json.NewDecoder(&out).Decode(&rows); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
		return rows, code
	}
	rows, code := look()
	if code != Refused {
		t.Errorf("exit code %d, want %d", code, Refused)
	}
	bad := map[string]row{}
	for _, r := range rows {
		if !r.OK {
			bad[r.Name] = r
			if r.Found == "" || r.Want == "" || r.Mend == "" {
				t.Errorf("row %+v: found, wanted and the mend are needed", r)
			}
		}
		if strings.Contains(r.Found+r.Mend, "0001abc") || strings.Contains(r.Found+r.Mend, "pass ") {
			t.Errorf("row %s shows what it must not: %s %s", r.Name, r.Found, r.Mend)
		}
	}
	want := map[string][2]string{ // found, mend
		"configurations":                               {"web-configuration", "same stores"},
		"new evicts":                                   {"", "noeviction"},
		"new maxmemory-policy " + store.Addr():         {"allkeys-lru", "noeviction"},
		"new rights " + store.Addr():                   {"client kill", "ACL SETUSER app " + rule},
		"new has room":                                 {"needed 7.2 MiB; maxmemory 6.0 MiB", "CONFIG SET maxmemory"},
		agentRow(at["state"], "state"):                 {"passthrough", "--passthrough"},
		agentRow(at["migration"], "migration"):         {"other", "flags.agents"},
		agentRow(at["version"], "version"):             {"v0.0.1", "install"},
		agentRow(at["configuration"], "configuration"): {"ffffffff", "hash key"},
		agentRow(at["flags"], "flags"):                 {"revision 2", "flags.file"},
		agentRow(at["clock"], "clock"):                 {"-", "timedatectl"},
	}
	for name, w := range want {
		r, ok := bad[name]
		if !ok || !strings.Contains(r.Found, w[0]) || !strings.Contains(r.Mend, w[1]) {
			t.Errorf("%s: %+v, want found %q and mend %q", name, r, w[0], w[1])
		}
		delete(bad, name)
	}
	for name, r := range bad {
		t.Errorf("%s is no, and should not be: %+v", name, r)
	}

	// Put right, by what the rows say.
	say(t, store.Addr(), "CONFIG SET maxmemory 64mb\r\nCONFIG SET maxmemory-policy noeviction\r\nACL SETUSER app on >pass "+rule+"\r\n")
	rows, _ = look()
	for _, r := range rows {
		if !r.OK && strings.HasPrefix(r.Name, "new") {
			t.Errorf("after it was mended: %+v", r)
		}
	}
}

// agentRow is the name of a row about the agent at addr.
func agentRow(addr, what string) string { return "agent " + addr + " (web-" + what + "): " + what }

// TestRoom: the borders of what is enough.
func TestRoom(t *testing.T) {
	n := census{sessions: 1000, read: 10, bytes: 8000, names: 200} // 1,000 bytes each in new, with a quarter: 1,250,000
	for _, tt := range []struct {
		m    redis.Memory
		ok   bool
		want string
	}{
		{redis.Memory{Max: 2_250_000, Used: 1_000_000, Hosts: 1}, true, "maxmemory"},
		{redis.Memory{Max: 2_249_999, Used: 1_000_000, Hosts: 1 << 40}, false, "needed 1.2 MiB"},
		{redis.Memory{Used: 1_000_000, Hosts: 2_249_999}, false, "no maxmemory"},
		{redis.Memory{Used: 1_000_000, Hosts: 1 << 40}, true, "no maxmemory"},
		{redis.Memory{Used: 5}, true, "does not say"},
	} {
		if r := room(n, tt.m); r.OK != tt.ok || !strings.Contains(r.Found, tt.want) || r.OK == (r.Mend != "") {
			t.Errorf("%+v: %+v, want ok %v and %q", tt.m, r, tt.ok, tt.want)
		}
	}
}
