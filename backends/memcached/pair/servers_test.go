package pair_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/memcached/pair"
)

// TestReplicates: two servers that copy among themselves and know the commands of
// old only. The stand-in for them is one server behind two gates.
func TestReplicates(t *testing.T) {
	t.Parallel() // it waits more than it works
	srv := backendtest.Memcached(t)
	old := []string{"mn", "lru_crawler"}
	gates := [2]*gate{newGate(t, srv.Addr(), old...), newGate(t, srv.Addr(), old...)}
	open := func() *pair.Store {
		p, err := pair.New(pair.Options{Migration: "test", Members: [2]string{gates[0].addr, gates[1].addr}, Replicates: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	p, q := open(), open()
	ctx := within(t)
	runs := map[string]bool{}
	for i := range 4 {
		g := gates[i%2]
		if err := retry(ctx, func(ctx context.Context) error { return p.Set(ctx, session("s", "x")) }); err != nil {
			t.Fatal(err)
		}
		whole(t, p)
		whole(t, q)
		h, err := q.Health(ctx)
		if err != nil {
			t.Fatal(err)
		}
		runs[h.RunID] = true
		g.close() // the leader: the other has taken over since
		if err := retry(ctx, func(ctx context.Context) error { return want(q.Get(ctx, key("s")))(true) }); err != nil {
			t.Fatal(err)
		}
		if err := retry(ctx, func(ctx context.Context) error { return q.Set(ctx, session("s", "y")) }); err != nil {
			t.Fatal(err)
		}
		g.open(t)
	}
	if len(runs) != 2 {
		t.Errorf("run ids %v: each server that leads is another one", runs)
	}
	if err := p.Scan(ctx, "", func([]string) error { return nil }); !errors.Is(err, backends.ErrUnlisted) {
		t.Errorf("scan: got %v, want ErrUnlisted", err)
	}
}

// TestUnlisted: servers that do not list their keys, and do not copy among
// themselves either: who was out stays out, and Health says why.
func TestUnlisted(t *testing.T) {
	t.Parallel() // it waits more than it works
	both := start(t)
	gates := [2]*gate{newGate(t, both[0].Addr(), "lru_crawler"), newGate(t, both[1].Addr(), "lru_crawler")}
	p, err := pair.New(pair.Options{Migration: "test", Members: [2]string{gates[0].addr, gates[1].addr}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx := within(t)
	if err := p.Set(ctx, session("s", "x")); err != nil {
		t.Fatal(err)
	}
	gates[1].close()
	if err := retry(ctx, func(ctx context.Context) error { return p.Set(ctx, session("s", "y")) }); err != nil {
		t.Fatal(err)
	}
	gates[1].open(t)
	const why = "does not list its keys"
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		h, err := p.Health(ctx)
		if err == nil && strings.Contains(h.Note, why) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("health: %q, %v, want %q", h.Note, err, why)
		}
	}
	if got, _, err := p.Get(ctx, key("s")); err != nil || string(got.Data) != "y" {
		t.Errorf("got %q, %v", got.Data, err)
	}
}
