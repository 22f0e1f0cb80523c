package localserver_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
)

const made = "CREATE DATABASE app; CREATE TABLE app.t (a INT PRIMARY KEY) ENGINE=InnoDB"

// sql runs statements with MariaDB's own client.
func sql(t *testing.T, s *localserver.Server, text string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "mariadb", "--no-defaults", "-S", s.MariaDBSocket(), "-u", "root", "-N", "-e", text).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestMariaDB(t *testing.T) {
	s, err := localserver.MariaDB(t.Context(), localserver.Options{}, strings.Split(made, "; ")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if out, err := sql(t, s, "INSERT INTO app.t VALUES (1); SELECT COUNT(*) FROM app.t"); err != nil || out != "1" {
		t.Fatalf("got %q, %v, want 1", out, err)
	}
	do(t, s.Kill)
	do(t, func() error { return s.Restart(t.Context()) })
	if out, err := sql(t, s, "SELECT COUNT(*) FROM app.t"); err != nil || out != "0" {
		t.Fatalf("after a restart: got %q, %v, want an empty table", out, err)
	}
}

func TestGalera(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three servers")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := localserver.Galera(ctx, 2, strings.Split(made, "; ")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if out, err := sql(t, c.Nodes[0], "INSERT INTO app.t VALUES (1)"); err != nil {
		t.Fatal(out, err)
	}
	seen := "SET SESSION wsrep_sync_wait=1; SELECT COUNT(*) FROM app.t"
	if out, err := sql(t, c.Nodes[1], seen); err != nil || out != "1" {
		t.Fatalf("on the other node: got %q, %v, want 1", out, err)
	}
}
