package pair_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memcached/pair"
)

// empty makes a member lose all in an instant, with its connections open: what a
// restart is for whoever does not see it.
func empty(t *testing.T, srv *localserver.Server) {
	t.Helper()
	nc, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	answer := make([]byte, 4)
	if _, err := io.WriteString(nc, "flush_all\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, answer); err != nil || string(answer) != "OK\r\n" {
		t.Fatalf("flush_all: %q, %v", answer, err)
	}
}

func key(name string) backends.Key { return backends.Key{Name: name} }

func session(name, data string) backends.Session {
	return backends.Session{Key: key(name), Data: []byte(data), Deadline: time.Now().Add(time.Hour)}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// whole waits until the store goes by both members.
func whole(t *testing.T, p *pair.Store) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		h, err := p.Health(within(t))
		if err == nil && h.Note == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not whole after 30 s: %q, %v", h.Note, err)
		}
	}
}

// generation is that of the record on the members, 0 unless both have the same and
// it says that both are whole.
func (s servers) generation(t *testing.T) uint64 {
	t.Helper()
	var gens [2]uint64
	for i, srv := range s {
		m := memcached.New(srv.Addr(), memcached.Options{})
		sess, found, err := m.Get(within(t), backends.NoteKey("test", "pair"))
		m.Close()
		var r struct {
			Gen   uint64
			Whole []string
		}
		if err == nil && found && json.Unmarshal(sess.Data, &r) == nil && len(r.Whole) == 2 {
			gens[i] = r.Gen
		}
	}
	if gens[0] != gens[1] {
		return 0
	}
	return gens[0]
}

// settled waits until both members are whole by the same record, and gives its
// generation.
func (s servers) settled(t *testing.T) uint64 {
	t.Helper()
	s.refilled(t, 0)
	return s.generation(t)
}

// refilled waits until a member was taken out, and is whole again.
func (s servers) refilled(t *testing.T, before uint64) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); s.generation(t) <= before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not whole again after 30 s")
		}
	}
}

// TestEmptyLeader: what is asked of a leader that has just lost all is answered by
// the other, whatever is asked.
func TestEmptyLeader(t *testing.T) {
	t.Parallel() // it waits more than it works
	both := start(t)
	p := both.open(t)
	ctx := within(t)
	var before uint64
	for round, ask := range []struct {
		name string
		do   func() error
	}{
		{"get", func() error { return want(p.Get(ctx, key("s")))(true) }},
		{"read", func() error {
			r, err := p.Read(ctx, key("s"))
			return want(r, r.Found, err)(true)
		}},
		{"read many", func() error {
			rs, err := p.ReadMany(ctx, []backends.Key{key("s"), key("other")})
			return want(rs, err == nil && rs[0].Found && !rs[1].Found, err)(true)
		}},
		{"touch", func() error {
			found, err := p.Touch(ctx, key("s"), time.Now().Add(time.Hour))
			return want(0, found, err)(true)
		}},
		{"add", func() error {
			stored, err := p.Add(ctx, session("s", "second"))
			return want(0, stored, err)(false)
		}},
		{"lock", func() error {
			granted, err := p.Lock(ctx, key("l"), "second", time.Minute)
			return want(0, granted, err)(false)
		}},
		{"lock value", func() error {
			v, found, err := p.LockValue(ctx, key("l"))
			return want(v, found && v == "first", err)(true)
		}},
		{"marks", func() error {
			ms, err := p.Marks(ctx, key("s"))
			return want(ms, len(ms) == 1, err)(true)
		}},
		{"guard", func() error {
			g, err := p.Guard(ctx, key("s"), time.Now().Add(10*time.Second))
			if err != nil {
				return err
			}
			defer g.Release()
			return want(0, g.Record().Found, nil)(true)
		}},
		{"unlock", func() error {
			released, err := p.Unlock(ctx, key("l"), "first")
			return want(0, released, err)(true)
		}},
		{"delete", func() error {
			found, err := p.Delete(ctx, key("s"))
			return want(0, found, err)(true)
		}},
	} {
		t.Run(ask.name, func(t *testing.T) {
			if round > 0 {
				both.refilled(t, before)
			}
			whole(t, p)
			before = both.settled(t)
			if err := p.Set(ctx, session("s", "first")); err != nil {
				t.Fatal(err)
			}
			p.Lock(ctx, key("l"), "first", time.Minute)
			if err := p.PutMark(ctx, key("s"), backends.Mark{Agent: "aaaaaaaaaaaaaaaa", Write: 1}, time.Hour); err != nil {
				t.Fatal(err)
			}
			// Each round's loser leads no more: the other one does in the next.
			empty(t, both[round%2])
			if err := ask.do(); err != nil {
				t.Error(err)
			}
		})
	}
}

func want[T any](got T, is bool, err error) func(bool) error {
	return func(want bool) error {
		if err == nil && is != want {
			err = fmt.Errorf("got %v (%v), want %v", got, is, want)
		}
		return err
	}
}

// TestBothEmpty: a store that has lost all says so by its run id, and goes on.
func TestBothEmpty(t *testing.T) {
	t.Parallel() // it waits more than it works
	both := start(t)
	p, q := both.open(t), both.open(t)
	ctx := within(t)
	if err := p.Set(ctx, session("s", "x")); err != nil {
		t.Fatal(err)
	}
	first, err := q.Health(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// One at a time is no loss.
	for _, srv := range both {
		whole(t, p)
		before := both.settled(t)
		empty(t, srv)
		both.refilled(t, before)
		if h, err := q.Health(ctx); err != nil || h.RunID != first.RunID {
			t.Errorf("run id %q, %v, want %q: nothing was lost", h.RunID, err, first.RunID)
		}
		if err := want(p.Get(ctx, key("s")))(true); err != nil {
			t.Fatal(err)
		}
	}
	for _, srv := range both {
		empty(t, srv)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		a, errA := p.Health(ctx)
		b, errB := q.Health(ctx)
		if errA == nil && errB == nil && a.RunID != first.RunID && a.RunID == b.RunID {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("run ids %q and %q (%v, %v), want one that is not %q", a.RunID, b.RunID, errA, errB, first.RunID)
		}
	}
	if err := want(p.Get(ctx, key("s")))(false); err != nil {
		t.Error(err)
	}
	if err := p.Set(ctx, session("s", "y")); err != nil {
		t.Error(err)
	}
	whole(t, p)
}
