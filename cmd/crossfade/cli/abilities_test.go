package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

// TestCheckTable: a table without the one that Crossfade keeps beside it, and
// a user who may only read.
func TestCheckTable(t *testing.T) {
	srv := backendtest.MariaDB(t, "CREATE DATABASE app",
		"CREATE TABLE app.sessions (id VARBINARY(128) NOT NULL PRIMARY KEY, data MEDIUMBLOB NOT NULL, flags INT UNSIGNED NOT NULL DEFAULT 0, expires_ms BIGINT NOT NULL DEFAULT 0)",
		"CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'pass'", "GRANT SELECT ON app.* TO reader@'127.0.0.1'")
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("pass\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("c.yaml", fmt.Appendf(nil, `
migration: m
sessions: [{name: web, keys: ["{id: [a-z]+}"]}]
old: {mysql: {hosts: ["%s"], database: app, user: reader, password_file: %s, preset: plain}}
new: {memory: {}}
flags: {file: %s/flags.json}
`, srv.Addr(), secret, dir))
	if err != nil {
		t.Fatal(err)
	}
	rows := append(checkAbilities(t.Context(), "old", c.Old, c), checkRoom(t.Context(), c)...)
	at := " " + srv.Addr()
	for name, want := range map[string]struct {
		ok   bool
		text string
	}{
		"old sessions table" + at:                       {true, "as wanted"},
		"old own table" + at:                            {false, "CREATE TABLE"},
		"old privilege DELETE on `app`.`sessions`" + at: {false, "GRANT"},
		"old sample":                                    {false, "a table is missing"},
	} {
		found := false
		for _, r := range rows {
			if r.Name == name {
				found = true
				if r.OK != want.ok || !strings.Contains(r.Found+r.Mend, want.text) {
					t.Errorf("%+v, want ok %v and %q", r, want.ok, want.text)
				}
			}
		}
		if !found {
			t.Errorf("no row %q in %+v", name, rows)
		}
	}
}

// TestCheckProxy: what a store behind a twemproxy cannot do is said.
func TestCheckProxy(t *testing.T) {
	at := backendtest.Twemproxy(t, "redis: true\ntimeout: 5000", backendtest.Redis(t).Addr())
	c, err := config.Parse("c.yaml", fmt.Appendf(nil, `
migration: m
sessions: [{name: web, keys: ["s.{id: [a-z]+}"]}]
old: {redis: {addrs: [%q], proxied: true}}
new: {memory: {}}
timeouts: {dial: 5s}
flags: {file: flags.json}
`, at))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for _, r := range append(checkStore(t.Context(), "old", c.Old, c), checkAbilities(t.Context(), "old", c.Old, c)...) {
		rows[r.Name] = r
	}
	for name, want := range map[string]row{
		"old answers":       {OK: true, Found: "redis 7"},
		"old is able":       {OK: true, Found: "all"},
		"old evicts":        {OK: true, Found: "no listing"},
		"old proxy " + at:   {OK: true, Found: "in doubt stays so until its late answer"},
		"old listing " + at: {OK: false, Found: "none", Mend: "max_age"},
	} {
		if got := rows[name]; got.OK != want.OK || !strings.Contains(got.Found, want.Found) || !strings.Contains(got.Mend, want.Mend) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
