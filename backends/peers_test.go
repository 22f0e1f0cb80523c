package backends_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// TestPeers: a client that connects to the server itself is told apart from the
// store's own connections, of which each is known.
func TestPeers(t *testing.T) {
	mc, rd := backendtest.Memcached(t), backendtest.Redis(t)
	for _, tt := range []struct {
		name  string
		addr  string
		store backends.Store
	}{
		{"memcached", mc.Addr(), memcached.New(mc.Addr(), memcached.Options{Migration: "peers"})},
		{"redis", rd.Addr(), redis.New(redis.Options{Addr: rd.Addr(), Migration: "peers"})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer tt.store.Close()
			ctx := t.Context()
			k := backends.Key{Name: "a"}
			for range 3 {
				if err := tt.store.Set(ctx, backends.Session{Key: k, Data: []byte("x"), Deadline: time.Now().Add(time.Minute)}); err != nil {
					t.Fatal(err)
				}
				if _, _, err := tt.store.Get(ctx, k); err != nil {
					t.Fatal(err)
				}
			}
			strangers := func() []string {
				t.Helper()
				all, own, err := tt.store.(backends.Peerer).Peers(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if len(own) == 0 {
					t.Fatal("it has no connection of its own")
				}
				var out []string
				for _, p := range all {
					if !slices.Contains(own, p.Addr) {
						out = append(out, p.Addr)
					}
				}
				return out
			}
			if got := strangers(); len(got) != 0 {
				t.Errorf("nobody else is connected: got %q", got)
			}
			c, err := net.Dial("tcp", tt.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				got := strangers()
				if len(got) == 1 && got[0] == c.LocalAddr().String() {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("got %q, want %s", strings.Join(got, " "), c.LocalAddr())
				}
			}
		})
	}
}
