package prove

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/walk"
)

var (
	evicting = Store{Name: "memcached", Evicts: true, Marks: true}
	keeping  = Store{Name: "redis", Marks: true}
)

func good() Setup {
	return Setup{Old: evicting, New: keeping, Locks: true, KeepOld: true, Faults: AllFaults}
}

func quick(t *testing.T, s Setup) Report {
	t.Helper()
	r, err := Run(t.Context(), s, Options{Quick: true})
	if err != nil || r.LeftOut > 0 {
		t.Fatalf("%v, %d walks left out", err, r.LeftOut)
	}
	return r
}

// TestHeld: what the design promises for stores as most sites have them.
func TestHeld(t *testing.T) {
	tiered := Store{Name: "hybrid", Evicts: true, Tiers: true, Marks: true}
	apart := Store{Name: "files", HostScoped: true, Marks: true}
	table := keeping
	table.NoAbsentToken = true
	for name, s := range map[string]Setup{
		"reference":                    good(),
		"hybrid":                       {Old: tiered, New: keeping, Locks: true, Faults: AllFaults},
		"files":                        {Old: apart, New: keeping, Locks: true, KeepOld: true, Faults: AllFaults},
		"refuse":                       {Old: keeping, New: keeping, RefuseUnconfirmed: true, Faults: AllFaults},
		"tombstone":                    {Old: keeping, New: table, Faults: AllFaults},
		"what a new that evicts needs": {Old: keeping, New: evicting, RefuseUnconfirmed: true, Faults: AllFaults},
		"two that evict":               {Old: evicting, New: evicting, RefuseUnconfirmed: true, Faults: AllFaults},
	} {
		r := quick(t, s)
		if !r.Held() {
			t.Errorf("%s: %+v", name, r.Verdicts)
		}
		for _, v := range r.Verdicts {
			if v.Walks < 1 || v.States < 5_000 {
				t.Errorf("%s: %s held after %d walks and %d states: that is nothing", name, v.Promise, v.Walks, v.States)
			}
		}
	}
}

// TestNotHeld: each is a shortest history within the bounds, so its length may
// not change unless a rule does.
func TestNotHeld(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*Setup)
		steps   map[walk.Promise]int // of those that break
		setting string
		says    string // some line of the history of lost writes
	}{
		{"two flags", func(s *Setup) { s.Flags = TwoFlags },
			map[walk.Promise]int{walk.NoLogout: 9, walk.NoLostWrite: 5, walk.NoResurrection: 5, walk.NewHurtsNobody: 3},
			"one flag", "a client at web-1 sets the session, value 2"},
		{"no marks", func(s *Setup) { s.Old.Marks = false },
			map[walk.Promise]int{walk.NoLogout: 6, walk.NoLostWrite: 4, walk.NoResurrection: 4},
			"holds marks", "web-1 sets value 2 in new: that fails"},
		{"nobody acknowledges", func(s *Setup) { s.Flags = Unacknowledged },
			map[walk.Promise]int{walk.NoLogout: 8, walk.NoLostWrite: 8, walk.NoResurrection: 6, walk.OneHolder: 8},
			"flags.agents", "the next revision is published: cutover"},
		{"new evicts", func(s *Setup) { s.New = evicting },
			map[walk.Promise]int{walk.NoLogout: 4, walk.NoLostWrite: 5},
			"noeviction", "new throws the session out"},
	} {
		s := good()
		s.Old.Evicts = false // so that a miss is never an error instead
		c.change(&s)
		r := quick(t, s)
		if r.Held() {
			t.Errorf("%s: held", c.name)
		}
		for _, v := range r.Verdicts {
			want, breaks := c.steps[v.Promise]
			if v.Held == breaks || len(v.History) != want {
				t.Errorf("%s: %s held %v in %d steps, want %d:\n%s", c.name, v.Promise, v.Held, len(v.History), want, strings.Join(v.History, "\n"))
			}
			if breaks && !strings.Contains(v.Setting, c.setting) {
				t.Errorf("%s: the setting that holds it: %q", c.name, v.Setting)
			}
			if v.Promise == walk.NoLostWrite && !strings.Contains(strings.Join(v.History, "\n"), c.says) {
				t.Errorf("%s: no step says %q:\n%s", c.name, c.says, strings.Join(v.History, "\n"))
			}
		}
	}
}

// TestFaultsAreChosen: without faults nothing that needs one is found.
func TestFaultsAreChosen(t *testing.T) {
	s := good()
	s.Old, s.Faults = Store{Name: "plain"}, Faults{} // no marks
	if r := quick(t, s); !r.Held() {
		t.Errorf("broken without a fault: %+v", r.Verdicts)
	}
	s.Faults.New = true
	if r := quick(t, s); r.Held() {
		t.Error("held with a failing new, though nothing can be marked")
	}
}

// TestTime: what did not fit is counted, and proves nothing.
func TestTime(t *testing.T) {
	r, err := Run(t.Context(), good(), Options{Time: time.Nanosecond})
	if err != nil || r.Walks != 0 || r.LeftOut == 0 || r.Held() {
		t.Errorf("%v: %d walks, %d left out, held %v", err, r.Walks, r.LeftOut, r.Held())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, good(), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
