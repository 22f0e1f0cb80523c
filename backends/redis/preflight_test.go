package redis_test

import (
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// TestPreflight: each right that is missing is named, and nothing is changed.
func TestPreflight(t *testing.T) {
	t.Parallel()
	srv := backendtest.Redis(t, "--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
	admin, ctx := direct(t, srv.Addr()), t.Context()
	rule := words(redis.ACLRule("test", []string{"bt-"}))
	set := func(more ...any) {
		t.Helper()
		if err := admin.Do(ctx, append(append([]any{"acl", "setuser", "app", "reset", "on", ">" + thePass}, rule...), more...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	find := func(what string) redis.Finding {
		t.Helper()
		s := open(t, redis.Options{Addr: srv.Addr(), Username: "app", Password: thePass, Migration: "test"})
		fs, err := s.Preflight(ctx, []string{"bt-"})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fs {
			if f.What == what {
				return f
			}
		}
		t.Fatalf("no %s in %+v", what, fs)
		return redis.Finding{}
	}
	set()
	if f := find("rights"); !f.OK {
		t.Errorf("with the rights of ACLRule: %s", f.Found)
	}
	if f := find("maxmemory-policy"); f.OK || f.Found != "allkeys-lru" || !strings.Contains(f.Mend, "noeviction") {
		t.Errorf("policy: %+v", f)
	}
	for missing, want := range map[string]string{"-client|kill": "client kill", "-script|load": "script load", "-pexpire": "pexpire of bt-*", "-scan": "scan", "-time": "time"} {
		set(missing)
		if f := find("rights"); f.OK || !strings.Contains(f.Found, want) || !strings.Contains(f.Mend, "ACL SETUSER app ") {
			t.Errorf("%s: found %q, mend %q", missing, f.Found, f.Mend)
		}
	}
	set("resetkeys", "~bt-*")
	if f := find("rights"); f.OK || !strings.Contains(f.Found, "set of crossfade:test:*") || strings.Contains(f.Found, "of bt-*") {
		t.Errorf("without our own keys: %+v", f)
	}
	if n := admin.DBSize(ctx).Val(); n != 0 {
		t.Errorf("%d keys were left", n)
	}
	s := open(t, redis.Options{Addr: srv.Addr(), Migration: "test"})
	if m, err := s.Memory(ctx); err != nil || m.Max != 50<<20 || m.Used == 0 || m.Hosts == 0 {
		t.Errorf("memory %+v, %v", m, err)
	}
}
