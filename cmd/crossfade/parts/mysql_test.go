package parts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/mysql"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

func TestOpenMySQL(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "db.secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := `migration: shop
sessions: [{name: php, keys: ["{id: [a-z0-9]+}"]}]
old: {mysql: {hosts: ["127.0.0.1:1"], database: app, user: app, password_file: ` + secret + `, preset: symfony, writes: app}}
new: {memory: {}}
flags: {file: flags.json}
`
	c, err := config.Parse("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore("old", c.Old, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, ok := s.(*mysql.Store); !ok {
		t.Fatalf("got a %T", s)
	}
	// The application writes, so the store does not, and says why.
	if err := s.Set(t.Context(), backends.Session{Key: backends.Key{Name: "a"}}); err != mysql.ErrReadOnly {
		t.Errorf("set: got %v, want ErrReadOnly", err)
	}
	if _, _, err := s.Get(t.Context(), backends.Key{Name: "a"}); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("get without a server: got %v", err)
	}
}
