package walk

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// TestStateIsPlain: a state is hashed as it lies in memory, so it may have no
// padding; and it must stay small, since millions are kept.
func TestStateIsPlain(t *testing.T) {
	if got := unsafe.Alignof(state{}); got != 1 {
		t.Errorf("a state is aligned to %d: it has something else than bytes, and padding", got)
	}
	if got := unsafe.Sizeof(rules.Machine{}); got > 16 {
		t.Errorf("a machine has %d bytes, want at most 16", got)
	}
	if stateSize > 280 {
		t.Errorf("a state has %d bytes, want at most 280", stateSize)
	}
}

func walkAll(t *testing.T, cs []Config, least int) {
	ctx, cancel := context.WithDeadline(t.Context(), deadline(t))
	defer cancel()
	total, began := 0, time.Now()
	for _, c := range cs {
		if only := os.Getenv("ONLY"); !strings.Contains(c.Name, only) {
			continue
		}
		r, err := Run(ctx, c, Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		t.Logf("%11d states %3d deep %6.1fs  %s", r.States, r.Depth, r.Took.Seconds(), c.Name)
		total += r.States
		if r.Violation != nil {
			t.Fatalf("%s: %s", c.Name, r)
		}
	}
	t.Logf("%d distinct states in %d walks, %s", total, len(cs), time.Since(began).Round(time.Second/10))
	if total < least && os.Getenv("ONLY") == "" {
		t.Errorf("visited %d states, want at least %d", total, least)
	}
}

func deadline(t *testing.T) time.Time {
	if d, ok := t.Deadline(); ok {
		return d.Add(-5 * time.Second)
	}
	return time.Now().Add(time.Hour)
}

// TestPromises walks the real rules through the cut that every test run makes.
func TestPromises(t *testing.T) { walkAll(t, Cut(), 3_000_000) }

// TestPromisesDeep is the long run, of make test-all.
func TestPromisesDeep(t *testing.T) {
	if os.Getenv("CROSSFADE_DEEP") == "" {
		t.Skip("the long run: make test-all")
	}
	walkAll(t, Deep(), 100_000_000)
}

// TestCutShort: a run that did not see all says so.
func TestCutShort(t *testing.T) {
	c := Cut()[0]
	if _, err := Run(context.Background(), c, Options{MaxStates: 10}); err == nil {
		t.Error("a walk that was cut short gave no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, c, Options{}); err == nil {
		t.Error("a walk that was cancelled gave no error")
	}
}
