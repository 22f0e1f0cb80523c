package darklaunch_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestApart: one agent is cut off from new, so that it marks in old what it
// writes, and another from old, so that it writes new alone. The mark's repair
// copies old over new: who has been told of it does not write there.
func TestApart(t *testing.T) {
	broken := func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} }
	for _, c := range []struct {
		name         string
		told, behind bool // the second agent, when it writes
		markedFirst  bool
		want         string
	}{
		{"told", true, false, true, "marked"},
		{"told, and behind already", true, true, true, "marked"},
		// What is left of the bound: nobody could say so in time, and of the two
		// the marked write stays, whichever was the later one.
		{"not told", false, false, true, "marked"},
		{"the marked one is the later", false, false, false, "marked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, 3, position.ReadNew, func(t *testing.T, r *rig, d []*darklaunch.Door) {
				r.publish(position.ReadNew, func(f *flags.Definition) { f.Settled = flags.Buckets })
				r.acked()
				set(t, d[2], "one", "w0")
				write := func(agent, side int, id, value string) error {
					r.faults[side].set(broken)
					defer r.faults[side].set(nil)
					return d[agent].Set(bg, ref(id), hourly(value))
				}
				if c.behind {
					must(t, write(1, 0, "other", "x"))
				}
				if c.markedFirst {
					must(t, write(0, 1, "one", "marked"))
				}
				if c.told {
					ctx, cancel := context.WithCancel(bg)
					cancel()
					dirty, _ := r.layers[0].Dirty(ctx, 0)
					r.layers[1].Told("first", dirty)
				}
				err := write(1, 0, "one", "new alone")
				if c.told != errors.Is(err, darklaunch.ErrUnavailable) {
					t.Errorf("a write to new alone: %v, told %v", err, c.told)
				}
				if !c.markedFirst {
					must(t, write(0, 1, "one", "marked"))
				}
				for _, when := range []string{"at once", "a minute later"} {
					for _, door := range d {
						wantGet(t, when, door, ref("one"), c.want)
					}
					time.Sleep(time.Minute)
				}
				if got := r.inNew("one"); got != c.want || r.marks("one") != 0 {
					t.Errorf("later new holds %q, and %d marks stand", got, r.marks("one"))
				}
				if !c.told {
					return
				}
				r.layers[1].Told("first", nil)
				must(t, d[1].Set(bg, ref("one"), hourly("again")))
				for _, door := range d {
					wantGet(t, "when it is repaired", door, ref("one"), "again")
				}
			})
		})
	}
}
