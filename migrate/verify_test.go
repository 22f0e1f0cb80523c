package migrate

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
)

// plant makes one difference of each class behind the agents' backs, n times:
// target is the store that is to be made like the source.
func (r *rig) plant(n int, source, target *memory.Store, key func(string, *memory.Store) backends.Key) {
	r.t.Helper()
	ctx := context.Background()
	change := func(id string, fn func(*backends.Session)) {
		s, found, err := target.Get(ctx, key(id, target))
		if !found || err != nil {
			r.t.Fatal("nothing to change", found, err)
		}
		fn(&s)
		if err := target.Set(ctx, s); err != nil {
			r.t.Fatal(err)
		}
	}
	for i := range n {
		id := func(what string) string { return fmt.Sprintf("%s%d", what, i) }
		target.Delete(ctx, key(id("absent"), target))
		r.put(target, key(id("extra"), target), "left over")
		change(id("value"), func(s *backends.Session) { s.Data = []byte("stale") })
		change(id("flags"), func(s *backends.Session) { s.Flags = 99 })
		change(id("expiry"), func(s *backends.Session) { s.Deadline = s.Deadline.Add(10 * time.Minute) })
	}
}

func (r *rig) keyIn(id string, s *memory.Store) backends.Key {
	if s == r.old {
		return ref(id).OldKey()
	}
	return ref(id).NewKey()
}

// TestVerifyFindsPlanted: differences of each class, planted in new while
// clients write, are found and corrected, each exactly once, and nothing else.
func TestVerifyFindsPlanted(t *testing.T) {
	r := newRig(t, 2)
	const n = 1000
	for i := range 5 * n { // what is the same on both sides must not be found
		r.put(r.old, ref(fmt.Sprintf("more%d", i)).OldKey(), "more")
	}
	for i := range n {
		for _, what := range []string{"absent", "value", "flags", "expiry", "same"} {
			r.put(r.old, ref(fmt.Sprintf("%s%d", what, i)).OldKey(), what)
		}
	}
	r.ramp("mirror", 100)
	// New is slow, so that a write is often in old and not yet in new.
	r.faults[1].set(func(c memory.Call) memory.Fault {
		if strings.HasPrefix(c.Key, "PHPREDIS_SESSION:c") && c.Op.Changes() {
			return memory.Fault{Latency: 5 * time.Millisecond}
		}
		return memory.Fault{}
	})
	tr := r.traffic(12)
	r.backfill()
	r.plant(n, r.old, r.new, r.keyIn)
	rep := r.verify()
	if rep.Races == 0 {
		t.Error("no session was written during the verification: this proves nothing")
	}
	want := map[string]int64{"missing_new": n, "missing_old": n, "value": n, "flags": n, "expiry": n}
	if !maps.Equal(rep.Differences, want) {
		t.Errorf("found %v, want %v", rep.Differences, want)
	}
	if rep.Copied != 5*n {
		t.Errorf("corrected %d, want %d", rep.Copied, 5*n)
	}
	if again := r.verify(); len(again.Differences) != 0 || again.Copied != 0 {
		t.Errorf("a second verification found %v and corrected %d", again.Differences, again.Copied)
	}
	for i := range n {
		for _, what := range []string{"absent", "value", "flags", "expiry", "same"} {
			if got := r.get(r.new, ref(fmt.Sprintf("%s%d", what, i)).NewKey()); got != what {
				t.Errorf("new holds %q for %s%d, want %q", got, what, i, what)
			}
		}
		if got := r.get(r.new, ref(fmt.Sprintf("extra%d", i)).NewKey()); got != "(none)" {
			t.Errorf("new holds %q, which old does not have", got)
		}
	}
	tr.end()
}

// TestReverseFindsPlanted: the same towards old, in a rollback of cutover.
func TestReverseFindsPlanted(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	const n = 30
	for i := range n {
		for _, what := range []string{"absent", "value", "flags", "expiry"} {
			r.put(r.old, ref(fmt.Sprintf("%s%d", what, i)).OldKey(), what)
		}
	}
	r.readNew(100)
	tr := r.traffic(4)
	r.ramp("cutover", 100)
	r.plant(n, r.new, r.old, r.keyIn)
	if _, err := r.m.Rollback(ctx, "read-new", nil); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for _, what := range []string{"absent", "value", "flags", "expiry"} {
			if got := r.get(r.old, ref(fmt.Sprintf("%s%d", what, i)).OldKey()); got != what {
				t.Errorf("old holds %q for %s%d, want %q", got, what, i, what)
			}
		}
		if got := r.get(r.old, ref(fmt.Sprintf("extra%d", i)).OldKey()); got != "(none)" {
			t.Errorf("old holds %q, which new does not have: a deleted session would come back", got)
		}
	}
	rec, err := r.m.recorded(mustRead(t, r))
	if err != nil || rec.Owed != 0 {
		t.Errorf("old is still owed a copy since %d (%v)", rec.Owed, err)
	}
	tr.end()
}
