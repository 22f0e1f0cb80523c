package cli

import (
	"fmt"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
)

// TestCheckPair: each member has its rows, and one that is out is told of.
func TestCheckPair(t *testing.T) {
	a, b := backendtest.Memcached(t), backendtest.Memcached(t)
	c, err := config.Parse("c.yaml", fmt.Appendf(nil, `
migration: m
sessions: [{name: web, keys: ["{id: [a-z]+}"]}]
old: {memcached: {servers: ["%s", "%s"], replicated: by-agents}}
new: {memory: {}}
flags: {file: %s/flags.json}
`, a.Addr(), b.Addr(), t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	whole := func(addr string) (ok, found bool) {
		for _, r := range checkAbilities(t.Context(), "old", c.Old, c) {
			if r.Name == "old "+addr+": whole" {
				return r.OK, true
			}
		}
		return false, false
	}
	for _, addr := range []string{a.Addr(), b.Addr()} {
		if ok, found := whole(addr); !ok || !found {
			t.Errorf("a pair that nobody has used: ok %v, found %v", ok, found)
		}
	}
	s, err := parts.OpenStore("old", c.Old, c)
	if err != nil {
		t.Fatal(err)
	}
	k := backends.Key{Name: "s"}
	if err := s.Set(t.Context(), backends.Session{Key: k, Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if ok, _ := whole(a.Addr()); !ok {
		t.Error("both are whole, and check says that one is not")
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	s, err = parts.OpenStore("old", c.Old, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Set(t.Context(), backends.Session{Key: k, Data: []byte("y")}); err != nil {
		t.Fatal(err)
	}
	rows := checkAbilities(t.Context(), "old", c.Old, c)
	bad := false
	for _, r := range rows {
		bad = bad || !r.OK
	}
	if !bad {
		t.Errorf("a member is dead, and check finds nothing: %+v", rows)
	}
}
