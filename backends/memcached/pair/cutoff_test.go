package pair_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached/pair"
)

// road is one agent's way to the members; each can be cut.
type road struct {
	mu    sync.Mutex // guards what follows
	cut   map[string]bool
	conns map[string][]net.Conn
}

func newRoad() *road { return &road{cut: map[string]bool{}, conns: map[string][]net.Conn{}} }

func (r *road) dial(ctx context.Context, member string) (net.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut[member] {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", member)
	if err == nil {
		r.conns[member] = append(r.conns[member], nc)
	}
	return nc, err
}

func (r *road) set(member string, cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut[member] = cut
	if cut {
		for _, nc := range r.conns[member] {
			nc.Close()
		}
		r.conns[member] = nil
	}
}

// TestCutOff: one agent no longer reaches the leader, which others still ask. What
// it has acknowledged by the other member they find: nobody asks the leader then.
func TestCutOff(t *testing.T) {
	t.Parallel() // it waits more than it works
	both := start(t)
	way := newRoad()
	p, err := pair.New(pair.Options{Migration: "test", Members: [2]string{both[0].Addr(), both[1].Addr()}, Dial: way.dial})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	q := both.open(t)
	ctx := within(t)
	for round := range 4 {
		leader := both[round%2]
		for _, one := range []*pair.Store{p, q} {
			if err := one.Set(ctx, session("s", "before")); err != nil {
				t.Fatal(err)
			}
		}
		before := both.settled(t)
		way.set(leader.Addr(), true)
		// Its first write that is acknowledged is there for everybody, at once; and
		// so is what another writes, who may have learned of it later.
		for i := range 20 {
			writer, reader := p, q
			if i%2 == 1 {
				writer, reader = q, p
			}
			value := fmt.Sprint(round, " ", i)
			if err := retry(ctx, func(ctx context.Context) error { return writer.Set(ctx, session("s", value)) }); err != nil {
				t.Fatal(err)
			}
			got, found, err := reader.Get(ctx, backends.Key{Name: "s"})
			if err != nil || !found || string(got.Data) != value {
				t.Fatalf("round %d, write %d: got %q, found %v, %v: it was acknowledged", round, i, got.Data, found, err)
			}
		}
		way.set(leader.Addr(), false)
		both.refilled(t, before)
		whole(t, p)
		whole(t, q)
	}
}
