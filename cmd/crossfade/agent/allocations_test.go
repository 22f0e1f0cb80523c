package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

// TestAllocations: the whole way of a request, from the client's bytes to the
// server's and back, takes memory for the session's name, and for the data that
// was read. (Half an allocation more is what the runtime and the pools are
// allowed.)
func TestAllocations(t *testing.T) {
	if frontendtest.Race {
		t.Skip("the race detector has pools forget things")
	}
	const id = "q9pr2r6v3vsl9c1n2v3hm1b7gd"
	data := strings.Repeat("x", 1024)
	mc, rd := backendtest.Memcached(t).Addr(), backendtest.Redis(t).Addr()
	for _, tt := range []struct {
		name, listen, old, set, get string
		serve                       func(frontends.Sessions) *frontends.Server
	}{
		{"memcached", "memcached", fmt.Sprintf("{memcached: {servers: [%q]}}", mc),
			fmt.Sprintf("set memc.sess.key.%s 0 1440 1024\r\n%s\r\n", id, data), "get memc.sess.key." + id + "\r\n",
			func(s frontends.Sessions) *frontends.Server { return memcached.New(s, memcached.Options{}) }},
		{"redis", "redis", fmt.Sprintf("{redis: {addrs: [%q]}}", rd),
			fmt.Sprintf("*4\r\n$5\r\nSETEX\r\n$40\r\nmemc.sess.key.%s\r\n$4\r\n1440\r\n$1024\r\n%s\r\n", id, data),
			fmt.Sprintf("*2\r\n$3\r\nGET\r\n$40\r\nmemc.sess.key.%s\r\n", id),
			func(s frontends.Sessions) *frontends.Server { return redis.New(s, redis.Options{}) }},
	} {
		srv := tt.serve(offLayer(t, tt.listen, tt.old, tt.old).Door(tt.name))
		for op, packet := range map[string]string{"set": tt.set, "get": tt.get} {
			const n = 2000
			c := &frontendtest.Loop{Packet: packet}
			got := testing.AllocsPerRun(3, func() {
				c.N = n
				if err := srv.ServeConn(t.Context(), c); err != nil {
					t.Error(err)
				}
			}) / n
			t.Logf("%s %s: %.2f", tt.name, op, got)
			if got > 2.5 {
				t.Errorf("%s %s: %.2f allocations, want 2", tt.name, op, got)
			}
		}
	}
}

// offLayer is a layer over these stores with its metrics, every session at off.
func offLayer(t *testing.T, listen, old, newer string) *darklaunch.Layer {
	dir := t.TempDir()
	c, err := config.Parse("crossfade.yaml", fmt.Appendf(nil, `
migration: sessions
agent: {name: web-1, state_dir: %[1]q, key_file: "%[1]s/hash.key"}
listen: {%s: ["127.0.0.1:1"]}
sessions:
  - {name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"]}
old: %s
new: %s
flags: {file: "%[1]s/flags.json"}
`, dir, listen, old, newer))
	if err != nil {
		t.Fatal(err)
	}
	d := flags.Definition{Migration: "sessions", Epoch: 1, Default: position.Off}
	d.Weights[position.Off] = flags.Buckets
	text, err := d.MarshalFlagd()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "flags.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := parts.Open(c, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if err := p.Local.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := p.Options()
	o.Observer = metrics.New("sessions", "test")
	l, err := darklaunch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
