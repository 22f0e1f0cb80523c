package hybrid_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memory"
)

// TestSilent: a memcached that stands still, also one that takes connections and
// does not greet, holds what counts: nothing is read from the table, and nothing
// written to it alone. One that is dead leaves both to the table.
func TestSilent(t *testing.T) {
	server := backendtest.Memcached(t)
	rows := memory.New(memory.Options{Migration: "test"})
	s := hybrid.New(memcached.New(server.Addr(), memcached.Options{Migration: "test", DialTimeout: 250 * time.Millisecond}), rows,
		hybrid.Options{Migration: "test", SyncEvery: time.Minute})
	defer s.Close()
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	for _, data := range []string{"w1", "w2"} { // the second is in memcached alone
		if err := s.Set(t.Context(), session(data)); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "the row", held(t, rows), "w1")
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	for i := range 6 { // over the connection that is open, then over none
		if got, found, err := s.Get(soon(), key); err == nil {
			t.Errorf("read %d of a memcached that stands still: %q, %v", i, got.Data, found)
		}
		if got, err := s.Read(soon(), key); err == nil {
			t.Errorf("look %d at a memcached that stands still: %q, %v", i, got.Data, got.Found)
		}
		if found, err := s.Touch(soon(), key, time.Now().Add(2*time.Hour)); err == nil {
			t.Errorf("touch %d of a memcached that stands still: %v", i, found)
		}
		if i > 0 { // the first one was sent, and takes effect later
			if err := s.Set(soon(), session("w3")); err == nil {
				t.Errorf("write %d to a memcached that stands still was taken", i)
			}
		}
	}
	want(t, "the row", held(t, rows), "w1")
	if err := server.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Minute)
	for {
		got, found, err := s.Get(soon(), key)
		if err == nil {
			if !found || string(got.Data) != "w1" || !got.Lagging {
				t.Errorf("a dead memcached: %q, %v, lagging %v, want the row", got.Data, found, got.Lagging)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a dead memcached: %v, want the row", err)
		}
	}
	if err := s.Set(t.Context(), session("w4")); err != nil {
		t.Errorf("a write while memcached is dead: %v", err)
	}
	want(t, "the row", held(t, rows), "w4")
}

// TestBusy: a memcached whose connections are all parked with calls that may still
// arrive is one that stands still, and the table is behind it.
func TestBusy(t *testing.T) {
	server := backendtest.Memcached(t)
	rows := memory.New(memory.Options{Migration: "test"})
	cache := memcached.New(server.Addr(), memcached.Options{Migration: "test", MaxConns: 1})
	s := hybrid.New(cache, rows, hybrid.Options{Migration: "test", SyncEvery: time.Minute})
	defer s.Close()
	for _, data := range []string{"w1", "w2"} { // the second is in memcached alone
		if err := s.Set(t.Context(), session(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	// Once a write was sent the connection is parked with it: on a busy machine not
	// the first may be.
	end := time.Now().Add(time.Minute)
	for {
		if err := s.Set(soon(), session("w3")); err == nil {
			t.Fatal("a memcached that stands still took a write")
		}
		if _, _, err := cache.Get(soon(), key); errors.Is(err, backends.ErrBusy) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("a parked connection: %v, want %v", err, backends.ErrBusy)
		}
	}
	if got, found, err := s.Get(soon(), key); err == nil {
		t.Errorf("a read with no connection free: %q, %v", got.Data, found)
	}
	if got, err := s.Read(soon(), key); err == nil {
		t.Errorf("a look with no connection free: %q, %v", got.Data, got.Found)
	}
	if err := s.Set(soon(), session("w4")); err == nil {
		t.Error("a write with no connection free was taken")
	}
	want(t, "the row", held(t, rows), "w1")
	if err := server.Thaw(); err != nil {
		t.Fatal(err)
	}
}
