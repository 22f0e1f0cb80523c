package pair_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memcached/pair"
)

// TestFilled: what a member holds after it was filled: all that stands, with its
// flags, its deadline to the second, its tombstone, marks and locks; nothing that
// was deleted meanwhile; and the notes that it has itself.
func TestFilled(t *testing.T) {
	t.Parallel() // it waits more than it works
	both := start(t)
	p := both.open(t)
	ctx := within(t)
	const many = 2000
	began := time.Now()
	deadline := func(i int) time.Time {
		switch i % 4 {
		case 0:
			return time.Time{}
		case 1:
			return began.Add(40 * 24 * time.Hour) // absolute, on the wire
		}
		return began.Add(time.Duration(60+i) * time.Second)
	}
	for i := range many {
		s := session(fmt.Sprint("s", i), fmt.Sprint("data ", i))
		s.Flags, s.Deadline = uint32(i), deadline(i)
		if err := p.Set(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	one, other := both[0], both[1]
	if err := one.Freeze(); err != nil {
		t.Fatal(err)
	}
	// It is behind from here on, and does not know.
	for _, err := range []error{
		retry(ctx, func(ctx context.Context) error { return p.Set(ctx, session("new", "new")) }),
		retry(ctx, func(ctx context.Context) error { return p.Set(ctx, session("s4", "newer")) }),
		retry(ctx, func(ctx context.Context) error { _, err := p.Delete(ctx, key("s5")); return err }),
		retry(ctx, func(ctx context.Context) error { _, err := p.Bury(ctx, key("s6"), time.Hour); return err }),
		retry(ctx, func(ctx context.Context) error {
			return p.PutMark(ctx, key("s7"), backends.Mark{Agent: "aaaaaaaaaaaaaaaa", Write: 7}, 0)
		}),
		retry(ctx, func(ctx context.Context) error { _, err := p.Lock(ctx, key("l"), "mine", time.Hour); return err }),
		retry(ctx, func(ctx context.Context) error {
			_, err := p.Touch(ctx, key("s10"), began.Add(3*time.Hour))
			return err
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := one.Thaw(); err != nil {
		t.Fatal(err)
	}
	both.settled(t)

	m := memcached.New(one.Addr(), memcached.Options{Migration: "test"})
	defer m.Close()
	for i := range many {
		got, found, err := m.Get(ctx, key(fmt.Sprint("s", i)))
		data, until := fmt.Sprint("data ", i), deadline(i)
		switch i {
		case 4:
			continue
		case 5, 6:
			if found || err != nil {
				t.Errorf("s%d was deleted: found %v, %v", i, found, err)
			}
			continue
		case 10:
			until = began.Add(3 * time.Hour)
		}
		off := got.Deadline.Sub(until).Abs()
		if err != nil || !found || string(got.Data) != data || got.Flags != uint32(i) || got.Deadline.IsZero() != until.IsZero() || off > 3*time.Second { // a tick of each server and ours, on a busy machine
			t.Errorf("s%d: found %v, %v, %q, flags %d, deadline off by %v", i, found, err, got.Data, got.Flags, off)
		}
	}
	if got, _, err := m.Get(ctx, key("s4")); err != nil || string(got.Data) != "newer" {
		t.Errorf("s4: %q, %v", got.Data, err)
	}
	if r, err := m.Read(ctx, key("s6")); err != nil || !r.Gone {
		t.Errorf("s6: gone %v, %v: its tombstone was not copied", r.Gone, err)
	}
	if ms, err := m.Marks(ctx, key("s7")); err != nil || len(ms) != 1 || ms[0].Write != 7 {
		t.Errorf("s7: marks %v, %v", ms, err)
	}
	if v, _, err := m.LockValue(ctx, key("l")); err != nil || v != "mine" {
		t.Errorf("lock: %q, %v", v, err)
	}
	// Now it is the only one.
	if err := other.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := retry(ctx, func(ctx context.Context) error { return want(p.Get(ctx, key("new")))(true) }); err != nil {
		t.Error(err)
	}
}

// retry calls with an application's time out until there is an answer.
func retry(ctx context.Context, do func(context.Context) error) error {
	for {
		call, cancel := context.WithTimeout(ctx, time.Second)
		err := do(call)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// TestLateCall: a member to which a write is still on its way is not whole again
// before that has arrived, though it answers everybody, and what arrives stands
// over nothing.
func TestLateCall(t *testing.T) {
	t.Parallel() // it waits more than it works
	both := start(t)
	g := newGate(t, both[0].Addr())
	open := func() *pair.Store {
		p, err := pair.New(pair.Options{Migration: "test", Members: [2]string{g.addr, both[1].Addr()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		return p
	}
	p, q := open(), open()
	ctx := within(t)
	for _, one := range []*pair.Store{p, q} {
		if err := one.Set(ctx, session("s", "before")); err != nil {
			t.Fatal(err)
		}
	}
	before := both.settled(t)
	g.hold()
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	err := p.Set(short, session("s", "late"))
	cancel()
	if err == nil {
		t.Error("a write was acknowledged before the member that lacks it was out")
	}
	if err := retry(ctx, func(ctx context.Context) error { return q.Set(ctx, session("s", "after")) }); err != nil {
		t.Fatal(err)
	}
	// The member answers on new connections: without the doubt it is filled within
	// a second.
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if both.generation(t) > before {
			t.Fatal("a member is whole while a write is on its way to it")
		}
	}
	g.release()
	both.refilled(t, before)
	for i, srv := range both {
		m := memcached.New(srv.Addr(), memcached.Options{})
		if got, _, err := m.Get(ctx, key("s")); err != nil || string(got.Data) != "after" {
			t.Errorf("member %d holds %q, %v, want after", i, got.Data, err)
		}
		m.Close()
	}
}
