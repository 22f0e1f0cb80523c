package memcached_test

import (
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memory"
)

func TestStore(t *testing.T) {
	srv := backendtest.Memcached(t)
	backendtest.Run(t, func(t *testing.T) backends.Store {
		return memcached.New(srv.Addr(), memcached.Options{Migration: "test", DialTimeout: 15 * time.Second})
	}, backendtest.Options{Server: srv, Exactness: time.Second})
}

// Without the meta commands memcached does not tell how long a session lives.
var deviations = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"add/exists", "add/stored", "read many/in order", "deadline/kept", "deadline/never", "guard/absent",
		"guard/present", "guard/swap never", "guard/revive deadline", "tombstone/revive", "touch/found", "touch/never",
	} {
		m[name] = "the deadline cannot be read without meta commands"
	}
	return m
}()

func TestClassicStore(t *testing.T) {
	srv := backendtest.Memcached(t)
	backendtest.Run(t, func(t *testing.T) backends.Store {
		return memcached.New(srv.Addr(), memcached.Options{Migration: "test", Classic: true, DialTimeout: 15 * time.Second})
	}, backendtest.Options{Server: srv, Exactness: time.Second, Deviations: deviations})
}

func TestLikeMemory(t *testing.T) {
	srv := backendtest.Memcached(t)
	for _, classic := range []bool{false, true} {
		t.Run(map[bool]string{false: "meta", true: "classic"}[classic], func(t *testing.T) {
			s := memcached.New(srv.Addr(), memcached.Options{Migration: "test", Classic: classic, DialTimeout: 15 * time.Second})
			defer s.Close()
			backendtest.Compare(t, s, memory.New(memory.Options{}), 2000)
		})
	}
}
