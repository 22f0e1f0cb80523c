package darklaunch_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// tattle counts what an observer is told, by what it is.
type tattle struct {
	mu   sync.Mutex // guards told
	told map[string]int
}

func (o *tattle) note(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.told == nil {
		o.told = map[string]int{}
	}
	o.told[what]++
}

func (o *tattle) all() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	told := o.told
	o.told = nil
	return told
}

func (o *tattle) Request(string, rules.Op, position.Position, string, time.Duration) {
	o.note("request")
}
func (o *tattle) StoreCall(rules.Side, darklaunch.Class, darklaunch.Purpose, time.Duration) {
	o.note("store call")
}
func (o *tattle) StoreError(rules.Side, bool)    { o.note("store error") }
func (o *tattle) Comparison(string)              { o.note("comparison") }
func (o *tattle) Divergence(class, cause string) { o.note("divergence") }
func (o *tattle) Fallback(string)                { o.note("fallback") }
func (o *tattle) Repair(rules.Side, string)      { o.note("repair") }
func (o *tattle) Copied(string, string)          { o.note("copied") }
func (o *tattle) MirrorDropped()                 { o.note("dropped") }
func (o *tattle) LockConflict()                  { o.note("conflict") }

// TestSynthetic: a round trip works in each position, nobody is told of it, and
// nothing of it is left.
func TestSynthetic(t *testing.T) {
	for _, p := range position.All() {
		synctest.Test(t, func(t *testing.T) {
			o := &tattle{}
			r := newRig(t, 1, p, func(x *darklaunch.Options) { x.Observer, x.CompareRatio = o, 1 })
			l := r.layers[0]
			l.Observe(time.Hour)
			for range 300 { // some five of them hash to where the census looks
				trips, none := l.Synthetic(bg)
				if len(trips) != len(phpKinds.Kinds()) || len(none) > 0 {
					t.Fatalf("%v: %d trips, none of %v", p, len(trips), none)
				}
				for _, x := range trips {
					if x.Step != "" || x.Position != p.String() {
						t.Fatalf("%v: %+v", p, x)
					}
				}
			}
			time.Sleep(5 * time.Second) // comparisons, looks, the queue
			if told := o.all(); len(told) > 0 {
				t.Errorf("%v: observers were told: %v", p, told)
			}
			if n := len(l.WouldBeLogouts().Sessions); n > 0 {
				t.Errorf("%v: the census follows %d", p, n)
			}
			if seen, _ := l.Observed(); seen.Sessions+int(seen.Reads+seen.Writes+seen.Deletes) > 0 {
				t.Errorf("%v: observed %+v", p, seen)
			}
			r.empty(t)
			// A client's request is told, so the silence above means something.
			set(t, l.Door("library"), "client", "x")
			if told := o.all(); told["request"] == 0 || told["store call"] == 0 {
				t.Errorf("%v: of a client's request it was told %v", p, told)
			}
		})
	}
}

// empty wants no session in either store.
func (r *rig) empty(t *testing.T) {
	t.Helper()
	for side, st := range map[string]*memory.Store{"old": r.old, "new": r.new} {
		st.Scan(bg, "", func(names []string) error {
			for _, n := range names {
				if !strings.HasPrefix(n, "crossfade:") {
					t.Errorf("%s is left in %s", n, side)
				}
			}
			return nil
		})
	}
}

// TestSyntheticFails: the step that fails is named, with no id, and what it was is
// told to nobody either: repairs, fallbacks and errors are clients' alone.
func TestSyntheticFails(t *testing.T) {
	for _, tt := range []struct {
		at   position.Position
		side int
		op   memory.Op
		step string // empty: the rules get over it
	}{
		{position.Off, 0, memory.OpSet, "set"},
		{position.Mirror, 0, memory.OpGet, "read"},
		{position.Mirror, 0, memory.OpTouch, "touch"},
		{position.Mirror, 0, memory.OpDelete, "delete"},
		{position.Fenced, 1, memory.OpSet, ""},
		{position.Fenced, 1, "", ""}, // whatever it is asked
		{position.ReadNew, 1, memory.OpGet, ""},
		{position.Cutover, 1, memory.OpSet, "set"},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &tattle{}
			r := newRig(t, 1, tt.at, func(x *darklaunch.Options) { x.Observer = o })
			r.faults[tt.side].set(func(c memory.Call) memory.Fault {
				if c.Op == tt.op || tt.op == "" {
					return memory.Fault{Kind: memory.NotApplied}
				}
				return memory.Fault{}
			})
			trips, _ := r.layers[0].Synthetic(bg)
			for _, x := range trips {
				if x.Step != tt.step || (x.Why == "") != (tt.step == "") || strings.Contains(x.Why, "5e55c0de") {
					t.Errorf("%v, %v fails in store %d: %+v, want step %q", tt.at, tt.op, tt.side, x, tt.step)
				}
			}
			r.faults[tt.side].set(nil)
			time.Sleep(20 * time.Second) // repairs; a session that nobody deleted lives longer
			if tt.step == "delete" {     // until it ends by itself
				time.Sleep(20 * time.Second)
			}
			r.empty(t)
			if told := o.all(); len(told) > 0 {
				t.Errorf("%v, %v fails in store %d: observers were told %v", tt.at, tt.op, tt.side, told)
			}
			if s := r.layers[0].Status(); s.DirtyNew != 0 || s.MarksStanding != 0 {
				t.Errorf("%v: %d dirty, %d marks are left", tt.at, s.DirtyNew, s.MarksStanding)
			}
		})
	}
}
