package pair_test

import (
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached/pair"
)

// TestMain lets more subtests wait at once than there are cores.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// servers of one pair.
type servers [2]*localserver.Server

func start(t *testing.T) servers {
	t.Helper()
	return servers{backendtest.Memcached(t), backendtest.Memcached(t)}
}

// open makes one agent's store.
func (s servers) open(t testing.TB) *pair.Store {
	t.Helper()
	p, err := pair.New(pair.Options{Migration: "test", Members: [2]string{s[0].Addr(), s[1].Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// What happens while a member is gone or stands still is the pair's own affair:
// the tests beside this one. The suite wants errors then.
func TestSuite(t *testing.T) {
	t.Parallel() // it waits more than it works
	both := start(t)
	backendtest.Run(t, func(t *testing.T) backends.Store { return both.open(t) }, backendtest.Options{Exactness: time.Second})
}
