package migrate

import (
	"testing"

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
