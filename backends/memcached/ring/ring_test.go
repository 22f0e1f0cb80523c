package ring_test

import (
	"context"
	"flag"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached/ring"
)

// TestMain lets more subtests wait at once than there are cores.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// servers of one ring.
type servers []*localserver.Server

func start(t *testing.T, n int) servers {
	t.Helper()
	var all servers
	for range n {
		all = append(all, backendtest.Memcached(t))
	}
	return all
}

func (s servers) open(t testing.TB, distribution string) *ring.Store {
	t.Helper()
	o := ring.Options{Migration: "test", Distribution: distribution, DialTimeout: 15 * time.Second}
	for _, one := range s {
		o.Servers = append(o.Servers, ring.Server{Addr: one.Addr()})
	}
	r, err := ring.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// What happens while a server is gone or stands still is its own affair:
// package memcached's suite, and TestOneDown.
func TestSuite(t *testing.T) {
	all := start(t, 3)
	backendtest.Run(t, func(t *testing.T) backends.Store { return all.open(t, ring.Ketama) },
		backendtest.Options{Exactness: time.Second})
}

// TestOneDown: the sessions of a server that is down get errors, nobody takes
// them for missing, the others' go on, and a note is still there.
func TestOneDown(t *testing.T) {
	all := start(t, 3)
	r := all.open(t, ring.Ketama)
	ctx := t.Context()
	key := func(i int) backends.Key {
		return backends.Key{Name: "memc.sess.key.s" + string(rune('a'+i)), Route: "s" + string(rune('a'+i))}
	}
	for i := range 26 {
		if err := r.Set(ctx, backends.Session{Key: key(i), Data: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	notes, _ := backends.NotesOf(r, "test")
	if _, err := notes.Raise(ctx, "epoch", []byte("1"), func([]byte) bool { return true }); err != nil {
		t.Fatal(err)
	}
	before, err := r.Health(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := all[1].Kill(); err != nil {
		t.Fatal(err)
	}
	here, down := 0, 0
	for i := range 26 {
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		s, found, err := r.Get(short, key(i))
		cancel()
		switch {
		case err != nil:
			down++
		case !found || s.Data[0] != byte(i):
			t.Errorf("session %d: %v, found %v", i, s.Data, found)
		default:
			here++
		}
	}
	if here < 5 || down < 2 {
		t.Errorf("%d sessions here, %d not, of three servers", here, down)
	}
	told := 0
	for _, said := range notes.Read(ctx, "epoch") {
		if said.Found {
			told++
		}
	}
	if told != 2 {
		t.Errorf("%d servers tell the note, want the two that are up", told)
	}
	if _, err := r.Health(ctx); err == nil {
		t.Error("a ring with a server down says that it is well")
	}
	if err := all[1].Restart(ctx); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		after, err := r.Health(ctx)
		if err == nil {
			if after.RunID == before.RunID {
				t.Error("a server was started anew, and the ring's run id is the old one")
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
