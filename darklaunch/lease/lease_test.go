package lease

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
)

func yes(context.Context) (bool, error) { return true, nil }

func notes(t testing.TB, s backends.Store) *backends.Notes {
	t.Helper()
	n, ok := backends.NotesOf(s, "m")
	if !ok {
		t.Fatal("the store holds no notes")
	}
	return n
}

// ring is a store of two servers.
type ring struct {
	*memory.Store
	other *memory.Store
}

func (r ring) Servers() []backends.Store { return []backends.Store{r.Store, r.other} }

func held(t *testing.T, l *Lease, want bool, when string) {
	t.Helper()
	l.Look(t.Context())
	if got := l.Held(); got != want {
		t.Errorf("%s: a lease: %v, want %v", when, got, want)
	}
}

func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		one, two := memory.New(memory.Options{Migration: "m"}), memory.New(memory.Options{Migration: "m"})
		n := notes(t, ring{one, two})
		a, b := New(n, "aaaa"), New(n, "bbbb")
		held(t, a, false, "no record")
		asked := 0
		marked := func(context.Context) (bool, error) { asked++; return false, nil }
		if made, err := Make(ctx, n, []string{"aaaa", "bbbb"}, marked); made || err != ErrMarked || asked != 1 {
			t.Errorf("a mark stands: made %v, %v, asked %d times", made, err, asked)
		}
		if made, err := Make(ctx, n, []string{"aaaa", "bbbb"}, yes); !made || err != nil {
			t.Errorf("made %v, %v", made, err)
		}
		held(t, a, false, "both are in it")
		for _, l := range []*Lease{a, b} {
			l.Look(ctx)
			if err := l.Leave(ctx, func() bool { return true }); err != nil {
				t.Fatal(err)
			}
		}
		held(t, a, true, "both have left")
		time.Sleep(Length)
		if a.Held() {
			t.Error("a lease without an end")
		}
		if made, err := Make(ctx, n, []string{"aaaa", "bbbb"}, marked); made || err != nil || asked != 1 {
			t.Errorf("nothing was to be done: made %v, %v, asked %d times", made, err, asked)
		}
		ends, err := b.List(ctx)
		if err != nil || time.Until(ends) < Length {
			t.Errorf("listed: %v, %v", time.Until(ends), err)
		}
		held(t, a, false, "b is in it")
		// The one server loses the record: the other still says who is in it.
		if err := notes(t, one).Drop(ctx, Name); err != nil {
			t.Fatal(err)
		}
		held(t, a, false, "one server has no record")
		// A third agent that does not know the record.
		if err := notes(t, two).Drop(ctx, Name); err != nil {
			t.Fatal(err)
		}
		c := New(n, "cccc")
		if _, err := c.List(ctx); err != nil {
			t.Fatal(err)
		}
		if err := c.Leave(ctx, func() bool { return true }); err != nil {
			t.Fatal(err)
		}
		held(t, a, false, "nobody knows who else marked before the record was made again")
	})
}

// TestLateLeaving: while the change that takes an agent out may still arrive, what
// the record says is no reason to take itself for listed.
func TestLateLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var apply func()
		late := false
		store := memory.New(memory.Options{Migration: "m", Faults: func(c memory.Call) memory.Fault {
			if late && c.Op == memory.OpSwap {
				return memory.Fault{Kind: memory.TimeoutLater, Later: func(f func()) { apply = f }}
			}
			return memory.Fault{}
		}})
		n := notes(t, store)
		a := New(n, "aaaa")
		if _, err := Make(ctx, n, []string{"aaaa"}, yes); err != nil {
			t.Fatal(err)
		}
		a.Look(ctx)
		late = true
		if err := a.Leave(ctx, func() bool { return true }); err == nil {
			t.Fatal("the call had no answer")
		}
		late = false
		a.Look(ctx)
		if a.Listed() {
			t.Error("it takes itself for listed, and its leaving is on the way")
		}
		if _, err := a.List(ctx); err != nil { // ends the doubt first
			t.Fatal(err)
		}
		if apply != nil {
			apply()
		}
		held(t, New(notes(t, store), "bbbb"), false, "a is in it, whatever arrives")
	})
}
