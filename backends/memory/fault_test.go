package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
)

// faultyStore is a store whose next fault is what *next holds.
func faultyStore(next *memory.Fault) *memory.Store {
	return memory.New(memory.Options{Faults: func(memory.Call) memory.Fault {
		f := *next
		*next = memory.Fault{}
		return f
	}})
}

func holds(t *testing.T, s *memory.Store, name, want string) {
	t.Helper()
	got, found, err := s.Get(t.Context(), key(name))
	if err != nil || found != (want != "") || string(got.Data) != want {
		t.Fatalf("got %q, %v, %v, want %q", got.Data, found, err, want)
	}
}

func TestFaults(t *testing.T) {
	var next memory.Fault
	s := faultyStore(&next)
	defer s.Close()
	set := func(data string, f memory.Fault) error {
		next = f
		return s.Set(t.Context(), session("a", data, time.Time{}))
	}
	if err := set("1", memory.Fault{}); err != nil {
		t.Fatal(err)
	}
	if err := set("2", memory.Fault{Kind: memory.NotApplied}); !errors.Is(err, memory.ErrInjected) {
		t.Errorf("got %v", err)
	}
	holds(t, s, "a", "1")
	own := errors.New("own")
	if err := set("2", memory.Fault{Kind: memory.NotApplied, Err: own}); err != own {
		t.Errorf("got %v", err)
	}
	err := set("3", memory.Fault{Kind: memory.TimeoutApplied})
	u, unknown := backends.IsUnknown(err)
	if !unknown || !errors.Is(err, context.DeadlineExceeded) || u.Conn == "" || u.RunID == "" {
		t.Fatalf("got %v, want an Unknown", err)
	}
	holds(t, s, "a", "3")
	if h, _ := s.Health(t.Context()); h.Parked != 1 {
		t.Errorf("%d calls are parked, want 1", h.Parked)
	}
	if err := u.Settle(t.Context()); err != nil {
		t.Error(err)
	}
	<-u.Done()

	var apply func()
	later := memory.Fault{Kind: memory.TimeoutLater, Later: func(a func()) { apply = a }}
	if u, unknown = backends.IsUnknown(set("4", later)); !unknown {
		t.Fatal("want an Unknown")
	}
	holds(t, s, "a", "3")
	select {
	case <-u.Done():
		t.Error("the doubt is over before the call arrived")
	default:
	}
	apply()
	<-u.Done()
	holds(t, s, "a", "4")

	if u, unknown = backends.IsUnknown(set("5", later)); !unknown {
		t.Fatal("want an Unknown")
	}
	if err := u.Settle(t.Context()); err != nil {
		t.Error(err)
	}
	apply() // it was killed
	holds(t, s, "a", "4")
	if h, _ := s.Health(t.Context()); h.Parked != 0 {
		t.Errorf("%d calls are parked, want none", h.Parked)
	}

	next = memory.Fault{Kind: memory.TimeoutLater}
	_, found, err := s.Get(t.Context(), key("a"))
	if _, unknown := backends.IsUnknown(err); found || unknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read: got %v, %v, want a plain timeout", found, err)
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var next memory.Fault
		s := faultyStore(&next)
		slow := memory.Fault{Latency: time.Second}
		next = slow
		begin := time.Now()
		if err := s.Set(t.Context(), session("a", "1", time.Time{})); err != nil || time.Since(begin) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		next = slow
		begin = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := s.Set(ctx, session("a", "2", time.Time{}))
		u, unknown := backends.IsUnknown(err)
		if !unknown || time.Since(begin) != 300*time.Millisecond {
			t.Fatalf("got %v after %v, want an Unknown at the deadline", err, time.Since(begin))
		}
		holds(t, s, "a", "1")
		<-u.Done()
		if took := time.Since(begin); took != time.Second {
			t.Errorf("the late call arrived after %v", took)
		}
		holds(t, s, "a", "2")

		next = slow
		ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, unknown := backends.IsUnknown(s.Set(ctx, session("a", "3", time.Time{}))); !unknown {
			t.Error("want an Unknown")
		}
		s.Close() // and no timer is left for the bubble to wait for
	})
}

// TestEveryCallIsAsked fails the i-th call for each i until all went well.
func TestEveryCallIsAsked(t *testing.T) {
	ctx := t.Context()
	seen := map[memory.Op]bool{}
	steps := func(s *memory.Store) error {
		var errs []error
		add := func(err error) { errs = append(errs, err) }
		add(s.Set(ctx, session("a", "1", time.Time{})))
		_, _, err := s.Get(ctx, key("a"))
		add(err)
		_, err = s.Touch(ctx, key("a"), time.Time{})
		add(err)
		_, err = s.Bury(ctx, key("a"), time.Minute)
		add(err)
		add(s.Revive(ctx, session("a", "2", time.Time{})))
		if g, err := s.Guard(ctx, key("a"), time.Now().Add(time.Second)); err != nil {
			add(err)
		} else {
			add(g.Swap(ctx, session("a", "3", time.Time{})))
		}
		_, u, err := s.AddUndo(ctx, session("b", "1", time.Time{}))
		add(err)
		if u != nil {
			add(u.Undo(ctx))
			u.Release()
		}
		add(s.PutMark(ctx, key("a"), backends.Mark{Agent: "x"}, 0))
		add(s.Scan(ctx, "", func([]string) error { return nil }))
		return errors.Join(errs...)
	}
	for i := uint64(1); ; i++ {
		s := memory.New(memory.Options{Faults: func(c memory.Call) memory.Fault {
			seen[c.Op] = true
			if c.Seq == i {
				return memory.Fault{Kind: memory.NotApplied}
			}
			return memory.Fault{}
		}})
		err := steps(s)
		if err == nil {
			if i < 10 {
				t.Errorf("only %d calls were asked about", i-1)
			}
			break
		}
		if !errors.Is(err, memory.ErrInjected) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	for _, op := range []memory.Op{memory.OpSet, memory.OpGet, memory.OpSwap, memory.OpUndo, memory.OpScan} {
		if !seen[op] {
			t.Errorf("the hook was not asked about %s", op)
		}
	}
}
