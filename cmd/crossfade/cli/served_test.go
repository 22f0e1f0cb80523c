package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/control"
)

// TestCheckServed: where servers lead, check goes by them: a fleet that is as it
// must be has no row that says no, and each that is not says what mends it.
func TestCheckServed(t *testing.T) {
	dir := t.TempDir()
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
	var o control.Overview // what the server says
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/status":
			json.NewEncoder(w).Encode(o)
		case "/v1/flags":
			w.Write(data)
		}
	}))
	defer srv.Close()
	addr, dead := srv.Listener.Addr().String(), backendtest.FreeAddr(t)
	path := filepath.Join(dir, "crossfade.yaml")
	configure := func(servers string) *config.Config {
		text := fmt.Sprintf("migration: m\nagent: {state_dir: %[1]s, key_file: %[1]s/hash.key}\nsessions:\n  - {name: php, keys: [\"s.{id: .+}\"]}\nold: {memory: {}}\nnew: {memory: {}}\nflags: {server: [%[2]s]}\n", dir, servers)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := configure(fmt.Sprintf("%q", addr))
	agent := func(name string, change func(*migrate.AgentView)) migrate.AgentView {
		g := migrate.AgentView{Addr: name, Name: name, Acknowledged: true, Status: &agentapi.Status{Agent: name, Version: parts.Version(), Migration: "m", State: agentapi.Ready, Now: time.Now(),
			Digest: c.Digest("", hasher.Digest(), parts.Version()), Status: darklaunch.Status{Start: name, Epoch: 3, Acknowledged: true}}}
		if change != nil {
			change(&g)
		}
		return g
	}
	look := func() map[string]row {
		t.Helper()
		var out bytes.Buffer
		Run(t.Context(), []string{"check", "--fleet", "--json", "--config", path}, nil, &out, io.Discard)
		var rows []row
		if err := json.NewDecoder(&out).Decode(&rows); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
		bad := map[string]row{}
		for _, r := range rows {
			if strings.HasPrefix(r.Name, "flags.") {
				t.Errorf("%+v: there is no flag file, and nobody else asks agents", r)
			}
			if !r.OK {
				bad[r.Name] = r
			}
		}
		return bad
	}
	o = control.Overview{Overview: migrate.Overview{Migration: "m", Epoch: 3, Agents: []migrate.AgentView{agent("web-1", nil), agent("web-2", nil)}}, Server: "ctl-1", Leads: true}
	for name, r := range look() {
		t.Errorf("all is well, and %s says no: %+v", name, r)
	}

	o.Leads = false
	o.Agents = []migrate.AgentView{agent("web-1", nil),
		agent("web-2", func(g *migrate.AgentView) { g.Status, g.Why = nil, "it is not connected" }),
		agent("web-3", func(g *migrate.AgentView) { g.Status.Epoch = 2 }),
		agent("web-4", func(g *migrate.AgentView) { g.Status.Digest = strings.Repeat("f", 32) })}
	configure(fmt.Sprintf("%q, %q", dead, addr))
	bad := look()
	for name, want := range map[string][2]string{ // found, mend
		"server " + dead:             {"does not answer", "crossfade server"},
		"leader":                     {"none of those", "server.lease (5s)"},
		"agent web-2":                {"not connected", "agents forget web-2"},
		"configurations":             {"ffffffff: web-4", "same stores"},
		"agent web-3: flags":         {"revision 2", "see its log"},
		"agent web-4: configuration": {"ffffffff", "hash key"},
	} {
		if r, ok := bad[name]; !ok || !strings.Contains(r.Found, want[0]) || !strings.Contains(r.Mend, want[1]) || r.Want == "" {
			t.Errorf("%s: %+v, want found %q and mend %q", name, r, want[0], want[1])
		}
		delete(bad, name)
	}
	for name, r := range bad {
		t.Errorf("%s is no, and should not be: %+v", name, r)
	}
	o.Agents = nil
	if r := look()["agents"]; !strings.Contains(r.Mend, "crossfade agent") {
		t.Errorf("without agents: %+v", r)
	}
	o.Migration = "other"
	if r := look()["migration"]; r.Found != "other" || r.Want != "m" {
		t.Errorf("of another migration: %+v", r)
	}
}

// TestCheckReach: an admin port that others reach speaks no TLS, and check says
// what that means.
func TestCheckReach(t *testing.T) {
	c := config.Default()
	for addr, want := range map[string]int{"127.0.0.1:9311": 0, "unix:/run/crossfade/admin.sock": 0, "10.0.0.17:9311": 1, "": 0} {
		c.Listen.Admin = addr
		rows := checkReach(&c)
		if len(rows) != want || want > 0 && (!rows[0].OK || !strings.Contains(rows[0].Found, "in clear")) {
			t.Errorf("%q: %+v, want %d rows", addr, rows, want)
		}
	}
}
