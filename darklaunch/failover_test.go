package darklaunch_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// replaced is a store whose server another one may have taken the place of.
type replaced struct {
	*memory.Store
	by *atomic.Int64
}

func (s replaced) Health(ctx context.Context) (backends.Health, error) {
	h, err := s.Store.Health(ctx)
	h.RunID = fmt.Sprint(h.RunID, "-", s.by.Load())
	return h, err
}

// seenAfter is when agents have seen another run id, and dealt with it: they
// look each second, and have two from there.
const seenAfter = 3 * time.Second

// failover is a rig of two agents whose new can become another server.
func failover(t *testing.T, p position.Position, change func(*darklaunch.Options), fn func(r *rig, d []*darklaunch.Door, now func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var by atomic.Int64
		r := newRig(t, 2, p, func(o *darklaunch.Options) {
			o.New = darklaunch.Store{Store: replaced{o.New.Store.(*memory.Store), &by}}
			if change != nil {
				change(o)
			}
		})
		time.Sleep(100 * time.Millisecond) // they have seen who new is
		fn(r, []*darklaunch.Door{r.layers[0].Door("library"), r.layers[1].Door("library")}, func() { by.Add(1) })
	})
}

// inBoth wants the session read so through each agent, and held so in new.
func inBoth(t *testing.T, r *rig, d []*darklaunch.Door, id, want string) {
	t.Helper()
	for i, door := range d {
		s, found, err := door.Get(bg, ref(id))
		must(t, err)
		if got := string(s.Data); found != (want != "") || got != want {
			t.Errorf("%s through agent %d: got %q, %v, want %q", id, i+1, got, found, want)
		}
	}
	if got := r.inNew(id); got != want {
		t.Errorf("%s in new: got %q, want %q", id, got, want)
	}
	if n := r.marks(id); n != 0 {
		t.Errorf("%s: %d marks still stand", id, n)
	}
}

// TestFailoverLosesWrites: new's last writes are gone with the server that had
// acknowledged them.
func TestFailoverLosesWrites(t *testing.T) {
	for _, p := range []position.Position{position.Fenced, position.ReadNew} {
		for _, settled := range []int{0, flags.Buckets} {
			if settled > 0 && p != position.ReadNew {
				continue
			}
			t.Run(fmt.Sprintf("%v settled %d", p, settled), func(t *testing.T) {
				failover(t, p, nil, func(r *rig, d []*darklaunch.Door, now func()) {
					r.publish(p, func(f *flags.Definition) { f.Settled = settled })
					r.acked()
					for _, id := range []string{"overwritten", "deleted", "touched", "idle"} {
						must(t, d[0].Set(bg, ref(id), hourly("w1")))
					}
					before := map[string]backends.Session{}
					for _, id := range []string{"overwritten", "deleted", "touched"} {
						s, _, err := r.new.Get(bg, ref(id).NewKey())
						must(t, err)
						before[id] = s
					}
					time.Sleep(10 * time.Second)
					must(t, d[0].Set(bg, ref("overwritten"), hourly("w2")))
					must(t, d[1].Set(bg, ref("overwritten"), hourly("w3")))
					_, err := d[1].Delete(bg, ref("deleted"))
					must(t, err)
					_, err = d[0].Touch(bg, ref("touched"), time.Now().Add(2*time.Hour))
					must(t, err)
					must(t, d[1].Set(bg, ref("made"), hourly("m1")))
					// The replica had none of that.
					for _, s := range before {
						must(t, r.new.Revive(bg, s))
					}
					_, err = r.new.Delete(bg, ref("made").NewKey())
					must(t, err)
					now()
					time.Sleep(seenAfter)
					for id, want := range map[string]string{"overwritten": "w3", "deleted": "missing", "touched": "w1", "made": "m1", "idle": "w1"} {
						wantGet(t, id+" through one", d[0], ref(id), want)
						wantGet(t, id+" through two", d[1], ref(id), want)
					}
					r.clean()
					for id, want := range map[string]string{"overwritten": "w3", "deleted": "", "touched": "w1", "made": "m1", "idle": "w1"} {
						inBoth(t, r, d, id, want)
					}
					s, _, err := r.new.Get(bg, ref("touched").NewKey())
					must(t, err)
					if left := time.Until(s.Deadline); left < 90*time.Minute {
						t.Errorf("the touch stays lost: %v left", left)
					}
					seen := int64(0)
					for _, l := range r.layers {
						s := l.Status()
						seen += s.Distrusted
						if s.Failovers != 1 || s.AllDirtyNew {
							t.Errorf("%d failovers, all dirty %v, want 1 and false", s.Failovers, s.AllDirtyNew)
						}
					}
					if seen < 4 {
						t.Errorf("%d sessions were marked, want the 4 that were lost", seen)
					}
				})
			})
		}
	}
}

// TestFailoverOldCannotSay: while old fails nothing can be marked; it goes on as
// soon as old is there.
func TestFailoverOldCannotSay(t *testing.T) {
	failover(t, position.ReadNew, func(o *darklaunch.Options) { o.RefuseUnconfirmed = true }, func(r *rig, d []*darklaunch.Door, now func()) {
		must(t, d[0].Set(bg, ref("one"), hourly("w1")))
		lost, _, err := r.new.Get(bg, ref("one").NewKey())
		must(t, err)
		must(t, d[0].Set(bg, ref("one"), hourly("w2")))
		must(t, r.new.Revive(bg, lost))
		r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		now()
		time.Sleep(10 * time.Second)
		r.faults[0].set(nil)
		time.Sleep(2 * time.Second)
		wantGet(t, "once old is there", d[1], ref("one"), "w2")
		r.clean()
		inBoth(t, r, d, "one", "w2")
	})
}

// TestFailoverEvicted: what old has evicted was not deleted.
func TestFailoverEvicted(t *testing.T) {
	failover(t, position.ReadNew, func(o *darklaunch.Options) { o.Old.Evicts = true }, func(r *rig, d []*darklaunch.Door, now func()) {
		must(t, d[0].Set(bg, ref("one"), hourly("w1")))
		_, err := r.old.Delete(bg, ref("one").OldKey())
		must(t, err)
		now()
		time.Sleep(seenAfter)
		inBoth(t, r, d, "one", "w1")
	})
}

// TestFailoverWindow: what is older than the window is not looked at, unless new
// has not answered since; and what was not remembered makes all dirty.
func TestFailoverWindow(t *testing.T) {
	for _, c := range []struct {
		name    string
		silent  bool
		writes  int
		compare int64
		all     bool
	}{
		{"old writes are forgotten", false, 1, 0, false},
		{"not while new is silent", true, 1, 1, false},
		{"more than are remembered", true, 5, 4, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			failover(t, position.ReadNew, func(o *darklaunch.Options) { o.DirtyMax = 4 }, func(r *rig, d []*darklaunch.Door, now func()) {
				for i := range c.writes {
					must(t, d[0].Set(bg, ref(fmt.Sprint("s", i)), hourly("w")))
				}
				if c.silent {
					r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
				}
				time.Sleep(3 * time.Minute)
				now()
				r.faults[1].set(nil)
				time.Sleep(seenAfter)
				if s := r.layers[0].Status(); s.Recompared != c.compare || s.AllDirtyNew != c.all {
					t.Errorf("compared %d, all dirty %v, want %d and %v", s.Recompared, s.AllDirtyNew, c.compare, c.all)
				}
			})
		})
	}
}

// TestFailoverWhileOldLacksWrites: old differs from new in a session, and either
// may have lost its last write. Nothing is copied, and it is said.
func TestFailoverWhileOldLacksWrites(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	failover(t, position.ReadNew, func(o *darklaunch.Options) { o.Log = log }, func(r *rig, d []*darklaunch.Door, now func()) {
		r.publish(position.ReadNew, func(f *flags.Definition) { f.Settled = flags.Buckets })
		r.acked()
		must(t, d[0].Set(bg, ref("one"), hourly("w1")))
		lost, _, err := r.new.Get(bg, ref("one").NewKey())
		must(t, err)
		must(t, d[0].Set(bg, ref("one"), hourly("w2")))
		r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		must(t, d[0].Set(bg, ref("two"), hourly("w1"))) // in new alone
		r.faults[0].set(nil)
		must(t, r.new.Revive(bg, lost))
		now()
		time.Sleep(seenAfter)
		r.stop()
		if text := said.String(); !strings.Contains(text, "cannot be repaired from anywhere\" sessions=2") {
			t.Errorf("it was said: %s", text)
		}
	})
}
