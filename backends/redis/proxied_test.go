package redis_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// behind starts a twemproxy before servers.
func behind(t *testing.T, timeout string, servers ...string) string {
	t.Helper()
	return backendtest.Twemproxy(t, "redis: true\nhash: fnv1a_64\ndistribution: ketama\nserver_retry_timeout: 100\ntimeout: "+timeout, servers...)
}

// lost is what a proxy takes from a store.
var lost = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{"scan/every key", "scan/prefix", "scan/nothing", "scan/an error ends it", "scan/fn may use the store",
		"note/not a session's", "tombstone/is no session"} {
		m[name] = "a proxy lists nothing"
	}
	return m
}()

// TestProxiedSuite: the suite through a real twemproxy, before one server, that is
// broken too in the longer run, and before two, over which it spreads keys by their own names.
func TestProxiedSuite(t *testing.T) {
	t.Run("one server", func(t *testing.T) {
		one := backendtest.Redis(t)
		addr := behind(t, "30000", one.Addr())
		o := backendtest.Options{Deviations: lost}
		if os.Getenv("CROSSFADE_LONG") == "1" {
			o.Server, o.Deviations = one, maps.Clone(lost)
			o.Deviations["gone/in the middle of a change"] = "nobody can end the doubt but the late answer"
			o.Deviations["stall/deadline obeyed, outcome unknown"] = "the connection that the server sees is the proxy's"
		}
		backendtest.Run(t, func(*testing.T) backends.Store {
			return redis.NewProxied(redis.Options{DialTimeout: 5 * time.Second, Addr: addr, Migration: "test"})
		}, o)
	})
	t.Run("two servers, with flags", func(t *testing.T) {
		addr := behind(t, "30000", backendtest.Redis(t).Addr(), backendtest.Redis(t).Addr())
		backendtest.Run(t, func(*testing.T) backends.Store {
			return redis.NewProxied(redis.Options{DialTimeout: 5 * time.Second, Addr: addr, Migration: "test", KeepFlags: true})
		}, backendtest.Options{Deviations: lost})
	})
}

// TestProxiedLate: the proxy gives a server up that stands still, and the server
// carries the write out when it wakes: such an answer ends no doubt.
func TestProxiedLate(t *testing.T) {
	srv := backendtest.Redis(t)
	s := redis.NewProxied(redis.Options{DialTimeout: 5 * time.Second, Addr: behind(t, "300", srv.Addr()), Migration: "test"})
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	k := backends.Key{Name: "a"}
	deadline := time.Now().Add(time.Hour)
	set := func(data string) error {
		return s.Set(ctx, backends.Session{Key: k, Data: []byte(data), Deadline: deadline})
	}
	for { // the proxy's patience is short, and the machine may be busy
		err := set("first")
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
	u, unknown := backends.IsUnknown(set("late"))
	if !unknown {
		t.Error("the proxy's answer counts as the server's")
	} else if err := u.Settle(ctx); err == nil {
		t.Error("settled, and nobody can know")
	}
	if _, found, err := s.Get(ctx, k); err == nil || found {
		t.Errorf("get: found %v, %v, want an error and no miss", found, err)
	}
	if err := srv.Thaw(); err != nil {
		t.Fatal(err)
	}
	direct := redis.New(redis.Options{Addr: srv.Addr(), Migration: "test"})
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
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	for { // what could not be sent leaves no doubt
		err := set("nobody's")
		if err == nil {
			t.Fatal("stored by nobody")
		}
		var no *redis.ReplyError
		if _, unknown := backends.IsUnknown(err); !unknown && errors.As(err, &no) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("never refused: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestProxiedHealth: the servers behind it are seen, and one that is replaced.
func TestProxiedHealth(t *testing.T) {
	a, b := backendtest.Redis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), backendtest.Redis(t)
	s := redis.NewProxied(redis.Options{DialTimeout: 5 * time.Second, Addr: behind(t, "5000", a.Addr(), b.Addr()), Migration: "test"})
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	h, err := s.Health(ctx)
	if err != nil || !h.Evicts || h.RunID == "" || h.Note != redis.Lost {
		t.Fatalf("%+v, %v", h, err)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Health(ctx); err == nil {
		t.Error("well, and one of two servers is gone")
	}
	if err := b.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		now, err := s.Health(ctx)
		if err == nil && now.RunID != h.RunID {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the restart is not seen: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
