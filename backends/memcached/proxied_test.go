package memcached

import (
	"context"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
)

// TestLateBehindAProxy: twemproxy answers in the place of a server that stands
// still, which may carry the write out when it wakes: the doubt must not end
// with that answer.
func TestLateBehindAProxy(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	s := New(backendtest.Twemproxy(t, "timeout: 200", srv.Addr()), Options{Migration: "test"})
	defer s.Close()
	ctx, k := within(t, 60*time.Second), key("a")
	for { // the proxy's patience is short, and the machine may be busy
		err := s.Set(ctx, backends.Session{Key: k, Data: []byte("first")})
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := srv.Freeze(); err != nil {
		t.Fatal(err)
	}
	err := s.Set(ctx, backends.Session{Key: k, Data: []byte("late")})
	u, unknown := backends.IsUnknown(err)
	if !unknown || isDone(u) {
		t.Fatalf("set: got %v, want an Unknown that nothing has ended", err)
	}
	if err := u.Settle(ctx); err == nil || isDone(u) {
		t.Error("settled, and nobody can know")
	}
	if err := srv.Thaw(); err != nil {
		t.Fatal(err)
	}
	direct := New(srv.Addr(), Options{Migration: "test"})
	defer direct.Close()
	for {
		got, _, err := direct.Get(ctx, k)
		if err != nil {
			t.Fatalf("%v: the late write did not come, and this test says nothing", err)
		}
		if string(got.Data) == "late" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestDeadBehindAProxy: what twemproxy could not send leaves no doubt.
func TestDeadBehindAProxy(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	s := New(backendtest.Twemproxy(t, "timeout: 2000", srv.Addr()), Options{Migration: "test"})
	defer s.Close()
	ctx, k := within(t, 60*time.Second), key("a")
	if err := s.Set(ctx, backends.Session{Key: k}); err != nil {
		t.Fatal(err)
	}
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	for refused := false; !refused; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("never told")
		}
		call, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := s.Set(call, backends.Session{Key: k})
		cancel()
		if err == nil {
			t.Fatal("stored by nobody")
		}
		if u, unknown := backends.IsUnknown(err); unknown { // of the first, its connection broke
			refused = isDone(u)
		}
	}
	if _, found, err := s.Get(ctx, k); found || err == nil {
		t.Errorf("get: found %v, %v, want an error and no miss", found, err)
	}
}
