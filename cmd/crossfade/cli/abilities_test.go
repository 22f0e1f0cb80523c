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
