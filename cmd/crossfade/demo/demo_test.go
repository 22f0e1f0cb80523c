package demo

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// short is a show for the test run: the same steps, a smaller crowd.
func short(t *testing.T, o Options) *Verdict {
	t.Helper()
	var out strings.Builder
	o.Out, o.Users, o.Pause, o.Dwell = &out, 200, 150*time.Millisecond, 150*time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	v, err := Run(ctx, o)
	t.Logf("\n%s", out.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(v, v.Findings())
	return v
}

func TestShow(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"embedded", Options{}},
		{"new is broken", Options{Break: "new"}},
		{"old is broken", Options{Break: "old"}},
		{"real servers", Options{Real: true}},
		{"real servers, new is broken", Options{Real: true, Break: "new"}},
	} {
		if (c.o.Real || c.o.Break == "old") && os.Getenv("CROSSFADE_LONG") == "" {
			continue // make test-faults has them, whole
		}
		t.Run(c.name, func(t *testing.T) {
			v := short(t, c.o)
			if !v.Good() {
				t.Errorf("the users noticed: %v", v)
			}
			if c.o.Break == "" && v.Allowed != 0 {
				t.Errorf("allowed %d refusals without a fault", v.Allowed)
			}
		})
	}
}

// TestNaive: the same ledger sees what the usual way costs, so it can see.
func TestNaive(t *testing.T) {
	v := short(t, Options{Naive: true})
	if v.Logouts.Load() == 0 || v.LostWrites.Load() == 0 {
		t.Errorf("the usual way cost nothing: %v", v)
	}
}
