package parts

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

func parse(t *testing.T, store, listen string) *config.Config {
	t.Helper()
	c, err := config.Parse("c.yaml", []byte(fmt.Sprintf(`migration: shop
listen: %s
sessions:
  - {name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"]}
old: {memory: {}}
new: {redis: %s}
flags: {file: flags.json}
`, listen, store)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRedisOptions(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"one": "data-pass\n", "two": "sentinel-pass\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for store, want := range map[string]redis.Options{
		`{addrs: ["a:1"], database: 2, user: u, password_file: ` + one + `}`: {Addr: "a:1", DB: 2, Username: "u", Password: "data-pass"},
		`{addrs: ["a:1", "b:2"]}`:                 {Cluster: []string{"a:1", "b:2"}},
		`{addrs: ["a:1"], cluster: true}`:         {Cluster: []string{"a:1"}},
		`{addrs: ["unix:/run/redis/redis.sock"]}`: {Addr: "unix:/run/redis/redis.sock"},
		`{password_file: ` + one + `, sentinel: {addrs: ["a:1", "b:2"], master: m, user: w, password_file: ` + two + `}}`: {Password: "data-pass",
			Sentinel: redis.Sentinel{Addrs: []string{"a:1", "b:2"}, Master: "m", Username: "w", Password: "sentinel-pass"}},
	} {
		got, err := redisOptions(parse(t, store, "{}").New.Redis)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", store, got, err)
		}
	}
	got, err := redisOptions(parse(t, `{addrs: ["a:1"], tls: {ca_file: system, server_name: db}}`, "{}").New.Redis)
	if err != nil || got.TLS == nil || got.TLS.ServerName != "db" || got.TLS.RootCAs != nil {
		t.Errorf("tls: got %+v, %v", got.TLS, err)
	}
	for _, bad := range []string{`{addrs: ["a:1"], password_file: /none}`, `{sentinel: {addrs: ["a:1"], master: m, password_file: /none}}`, `{addrs: ["a:1"], tls: {ca_file: /none}}`} {
		c := parse(t, bad, "{}")
		if _, err := OpenStore("new", c.New, c); err == nil || !strings.HasPrefix(err.Error(), "new.redis: ") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// TestKeepFlags: where agents speak memcached, whose clients have flags.
func TestKeepFlags(t *testing.T) {
	for listen, want := range map[string]bool{`{memcached: ["127.0.0.1:1"]}`: true, `{redis: ["127.0.0.1:1"]}`: false} {
		c := parse(t, `{addrs: ["127.0.0.1:2"]}`, listen)
		c.Timeouts.Dial = config.Duration(time.Millisecond)
		st, err := OpenStore("new", c.New, c)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		if got := st.(backends.FlagKeeper).KeepsFlags(); got != want {
			t.Errorf("%s: keeps flags %v, want %v", listen, got, want)
		}
	}
}
