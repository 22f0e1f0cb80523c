package pairtest

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memcached/pair"
)

// phpRedundancy is php-memcache's session_redundancy for a session on each of two
// servers (tried with 8.0).
const phpRedundancy = 2

// TestPHPMemcache: what php-memcache has written to both servers of its save_path
// is read through the pair, whichever leads; and what was written through the pair
// php-memcache reads, whichever server it prefers for an id.
func TestPHPMemcache(t *testing.T) {
	t.Parallel() // it waits more than it works
	php, err := exec.LookPath("php")
	if err != nil {
		t.Fatal("php is not installed: apt-get install php-cli php-memcache")
	}
	servers := [2]*localserver.Server{backendtest.Memcached(t), backendtest.Memcached(t)}
	path := fmt.Sprintf("tcp://%s,tcp://%s", servers[0].Addr(), servers[1].Addr())
	const ids = 12
	run := func(script string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, php, "-d", "session.save_handler=memcache", "-d", "session.save_path="+path,
			"-d", fmt.Sprint("memcache.session_redundancy=", phpRedundancy), "-d", "memcache.allow_failover=1", "-d", "session.use_cookies=0",
			"-d", "session.cache_limiter=", "-d", "session.gc_maxlifetime=1440", "-d", "display_errors=1", "-d", "html_errors=0",
			"-r", fmt.Sprintf(script, ids)).CombinedOutput()
		if err != nil || strings.Contains(string(out), "Warning") || strings.Contains(string(out), "Notice") {
			t.Fatalf("php: %v: %s", err, out)
		}
		return string(out)
	}
	run(`for ($i = 0; $i < %d; $i++) { session_id("user$i"); session_start(); $_SESSION["n"] = $i; session_write_close(); }`)
	for i, srv := range servers {
		m := memcached.New(srv.Addr(), memcached.Options{})
		for n := range ids {
			s, found, err := m.Get(t.Context(), backends.Key{Name: fmt.Sprint("user", n)})
			if err != nil || !found || string(s.Data) != fmt.Sprintf("n|i:%d;", n) {
				t.Errorf("server %d, session %d: %q, found %v, %v: php-memcache did not write both", i, n, s.Data, found, err)
			}
		}
		m.Close()
	}
	p, err := pair.New(pair.Options{Migration: "m", Members: [2]string{servers[0].Addr(), servers[1].Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := &site{T: t, agents: []*pair.Store{p}, servers: servers}
	check := func(when string) {
		t.Helper()
		for n := range ids {
			k := backends.Key{Name: fmt.Sprint("user", n)}
			s.until(when, func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), callTime)
				defer cancel()
				got, found, err := p.Get(ctx, k)
				if err == nil && (!found || !strings.HasPrefix(string(got.Data), fmt.Sprintf("n|i:%d;", n))) {
					t.Fatalf("%s: session %d: %q, found %v", when, n, got.Data, found)
				}
				return err == nil
			})
		}
	}
	for _, one := range servers {
		check("both are up")
		s.must(one.Kill())
		s.until("the dead one is out", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), callTime)
			defer cancel()
			h, err := p.Health(ctx)
			return err == nil && h.Note != ""
		})
		check("one is dead")
		s.must(one.Restart(t.Context()))
		check("one was started anew")
		s.whole()
	}
	for n := range ids {
		ctx, cancel := context.WithTimeout(t.Context(), callTime)
		defer cancel()
		s.must(p.Set(ctx, backends.Session{Key: backends.Key{Name: fmt.Sprint("user", n)}, Data: fmt.Appendf(nil, "n|i:%d;by|s:4:\"pair\";", n), Deadline: time.Now().Add(time.Hour)}))
	}
	said := run(`for ($i = 0; $i < %d; $i++) { session_id("user$i"); session_start(); echo $_SESSION["n"], $_SESSION["by"], " "; session_abort(); }`)
	want := ""
	for n := range ids {
		want += fmt.Sprint(n, "pair ")
	}
	if said != want {
		t.Errorf("php-memcache read %q, want %q", said, want)
	}
}
