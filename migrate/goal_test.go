package migrate

import (
	"context"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestGoal walks every goal from every standing: each revision may follow the
// one before, and the goal is reached in a few.
func TestGoal(t *testing.T) {
	stops := []int{0, 1, 5000, 9999, flags.Buckets}
	for _, c := range stops {
		for _, rd := range stops {
			for _, mi := range stops {
				if c > rd || rd > mi || rd > 0 && mi < flags.Buckets {
					continue
				}
				g := goal{mirror: mi, fence: mi, readNew: rd, cutover: c, keepOld: true}
				for _, h := range []goal{{}, {mirror: 10000}, {mirror: 10000, fence: 10000, readNew: 10000, cutover: 10000}, {mirror: 10000, fence: 10000, readNew: 5000, cutover: 4000}} {
					d := flags.Definition{Migration: migration}
					d.Weights[position.Off] = flags.Buckets
					reach(t, reach(t, d, g), h)
				}
			}
		}
	}
}

func reach(t *testing.T, d flags.Definition, g goal) flags.Definition {
	t.Helper()
	for range 20 {
		n, text, more := g.next(d)
		if !more {
			r := d.Weights.Ramp()
			if r.Mirror != g.mirror || r.ReadNew != g.readNew || r.Cutover != g.cutover || d.Weights[position.Sealed]+d.Weights[position.Back] > 0 {
				t.Fatalf("%+v: stands at %s", g, state(d))
			}
			return d
		}
		snap, err := n.Compile()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d.Epoch > 0 {
			was, _ := d.Compile()
			if err := was.Next(snap); err != nil {
				t.Fatalf("%+v: %s: %v", g, text, err)
			}
		}
		d = n
	}
	t.Fatalf("%+v is not reached: %s", g, state(d))
	return d
}

// TestRampOn: mirror on one agent alone: there a write is mirrored, elsewhere
// not; then on all, before anything goes further.
func TestRampOn(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2)
	if _, err := r.m.RampOn(ctx, []string{"web-9"}, 10_000, nil); gateOf(err) != GateAgents {
		t.Errorf("an agent that is none: %v", err)
	}
	if _, err := r.m.RampOn(ctx, []string{"web-1"}, 10_000, nil); err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"one", "two"} {
		if err := r.agents[i].door().Set(ctx, ref(id), backends.Session{Data: []byte("x"), Deadline: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(30 * time.Second); r.get(r.new, ref("one").NewKey()) != "x"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("web-1 does not mirror")
		}
	}
	if got := r.get(r.new, ref("two").NewKey()); got != "(none)" {
		t.Errorf("web-2 mirrors: %q", got)
	}
	r.agents[1].restart(true) // it begins with what it kept
	r.ramp("mirror", 100)
	if d := r.def(); len(d.Only) != 0 {
		t.Errorf("mirror on %v, want on all", d.Only)
	}
	r.readNew(100)
	if _, err := r.m.RampOn(ctx, []string{"web-1"}, 100, nil); gateOf(err) != GateOrder {
		t.Errorf("past mirror: %v", err)
	}
}
