package epochs

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// rig is one agent's watcher over two stores in memory, in a bubble.
type rig struct {
	old, new *memory.Store
	o, n     *backends.Notes
	calls    atomic.Int64 // to both stores
	k        *flags.Kept
	w        *Watcher
	asked    atomic.Int64
	down     atomic.Bool // new does not answer
}

func bubble(t *testing.T, fn func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{}
		r.old = memory.New(memory.Options{Faults: func(memory.Call) memory.Fault { r.calls.Add(1); return memory.Fault{} }})
		r.new = memory.New(memory.Options{Faults: func(memory.Call) memory.Fault {
			r.calls.Add(1)
			if r.down.Load() {
				return memory.Fault{Kind: memory.NotApplied}
			}
			return memory.Fault{}
		}})
		r.o, _ = backends.NotesOf(r.old, "test")
		r.n, _ = backends.NotesOf(r.new, "test")
		r.k = flags.NewKept(flags.KeptOptions{Migration: "test"})
		r.w = NewWatcher(WatcherOptions{Kept: r.k, Migration: "test", Name: "web-1", Former: []string{"00000000000000ae"}, Old: r.o, New: r.n})
		r.w.Speak(Voice{Start: "00000000000000af",
			Status: func() ([]byte, error) { return []byte(`{"epoch":1}`), nil },
			Asked:  func() time.Time { return time.Unix(0, r.asked.Load()) }})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		r.w.Look(ctx)
		r.k.Begin()
		go func() { r.w.Run(ctx); close(done) }()
		synctest.Wait()
		fn(t, r)
		cancel()
		<-done
		r.old.Close()
		r.new.Close()
	})
}

func (r *rig) raise(t *testing.T, o, n *backends.Notes, what Note) {
	t.Helper()
	err := Raise(context.Background(), o, n, what)
	if e, ok := err.(*RaiseError); ok && (o != nil && e.Old != nil || n != nil && e.New != nil) {
		t.Fatal(err)
	}
}

func (r *rig) serves(t *testing.T, epoch uint64) {
	t.Helper()
	if got := r.k.Current().Epoch(); got != epoch || r.k.Stopped() != "" {
		t.Errorf("serves %d (stopped %q), want %d", got, r.k.Stopped(), epoch)
	}
}

const aTick = tick + 10*time.Millisecond

// TestWatcherObeys: the higher note of two, and each revision within a tick.
func TestWatcherObeys(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.serves(t, 0)
		r.raise(t, r.o, nil, note(t, 1, position.Mirror))
		time.Sleep(aTick)
		r.serves(t, 1)
		r.raise(t, nil, r.n, note(t, 2, position.Fenced))
		time.Sleep(aTick)
		r.serves(t, 2)
		// The lower one was written again: whoever reads only old finds it.
		time.Sleep(aTick)
		if s := read(context.Background(), r.o, "test"); s.Note.Epoch != 2 {
			t.Errorf("old holds %d, want what was seen in new", s.Note.Epoch)
		}
		// Lost in both: it says nothing, and stands again.
		for _, notes := range []*backends.Notes{r.o, r.n} {
			if err := notes.Drop(context.Background(), Name); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(aTick)
		r.serves(t, 2)
		if o, n := ReadBoth(context.Background(), r.o, r.n, "test"); o.Note.Epoch != 2 || n.Note.Epoch != 2 {
			t.Errorf("after both were lost: %d and %d, want 2", o.Note.Epoch, n.Note.Epoch)
		}
		// An older one came back (a failover): it is raised again, not obeyed.
		old, _ := note(t, 1, position.Mirror).Marshal()
		if err := r.n.Write(context.Background(), Name, old); err != nil {
			t.Fatal(err)
		}
		time.Sleep(aTick)
		r.serves(t, 2)
		if s := read(context.Background(), r.n, "test"); s.Note.Epoch != 2 {
			t.Errorf("new holds %d, want 2 again", s.Note.Epoch)
		}
		// One store that fails hides nothing of the other.
		r.down.Store(true)
		r.raise(t, r.o, nil, note(t, 3, position.ReadNew))
		time.Sleep(aTick)
		r.serves(t, 3)
		if w := r.w.Watched(); w.NewFailed == 0 || w.OldFailed != 0 || w.Old != 3 {
			t.Errorf("%+v, want failures of new alone", w)
		}
	})
}

// TestWatcherStops: a fleet that went on without this agent.
func TestWatcherStops(t *testing.T) {
	for _, tt := range []struct {
		name string
		next func(t *testing.T) Note
		why  string // empty: it goes on
	}{
		{"two positions on", func(t *testing.T) Note { return note(t, 3, position.Sealed) }, "gone on"},
		{"two revisions on, without a roster", func(t *testing.T) Note { return note(t, 3, position.Fenced) }, ""},
		{"two revisions on, in a roster", func(t *testing.T) Note { return note(t, 3, position.Fenced, "web-1") }, "without waiting"},
		{"the next, in a roster", func(t *testing.T) Note { return note(t, 2, position.Fenced, "web-1", "web-2") }, ""},
		{"not in the roster", func(t *testing.T) Note { return note(t, 2, position.Fenced, "web-2") }, "does not name"},
		{"not in a roster of this epoch", func(t *testing.T) Note {
			n := note(t, 1, position.Mirror, "web-2")
			n.At = moment(9)
			return n
		}, ""}, // its server has added it since
		{"the next, in a roster of lives", func(t *testing.T) Note { return note(t, 2, position.Fenced, "web-1 "+idA, "web-2 "+idB) }, ""},
		{"the next, by a life that it follows", func(t *testing.T) Note { return note(t, 2, position.Fenced, "web-1 00000000000000ae") }, ""},
		{"another life in its place", func(t *testing.T) Note { return note(t, 2, position.Fenced, "web-1 "+idB) }, "another life of agent web-1"},
		{"an empty roster", func(t *testing.T) Note {
			n := note(t, 2, position.Fenced)
			n.Agents = []Life{}
			return n
		}, "does not name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.raise(t, r.o, r.n, note(t, 1, position.Mirror))
				time.Sleep(aTick)
				r.serves(t, 1)
				r.raise(t, r.o, r.n, tt.next(t))
				time.Sleep(aTick)
				if got := r.k.Stopped(); !strings.Contains(got, tt.why) || (got == "") != (tt.why == "") {
					t.Errorf("stopped %q, want %q", got, tt.why)
				}
			})
		})
	}
}

// TestWatcherCost: two reads a second, and nothing else while a fleet has no
// roster or is asked; a note of its own in each store where it is waited for and
// nobody asks.
func TestWatcherCost(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.raise(t, r.o, r.n, note(t, 1, position.Mirror))
		count := func() int64 {
			time.Sleep(2 * aTick)
			before := r.calls.Load()
			time.Sleep(10 * tick)
			return r.calls.Load() - before
		}
		if got := count(); got != 20 {
			t.Errorf("%d calls in 10 s, want 20: one read each second of each store", got)
		}
		named := note(t, 1, position.Mirror, "web-1")
		named.At = moment(9)
		r.raise(t, r.o, r.n, named)
		if got := count(); got != 40 {
			t.Errorf("%d calls in 10 s of an agent that is waited for and not asked, want 40", got)
		}
		first := ReadHeard(context.Background(), r.o, r.n, "web-1")
		time.Sleep(aTick)
		next := ReadHeard(context.Background(), r.o, r.n, "web-1")
		if len(first) != 1 || len(next) != 1 || next[0].Seq != first[0].Seq+1 || next[0].Start != "00000000000000af" || string(next[0].Status) != `{"epoch":1}` {
			t.Errorf("heard %+v, then %+v", first, next)
		}
		stop := make(chan struct{})
		go func() {
			for {
				r.asked.Store(time.Now().UnixNano())
				select {
				case <-stop:
					return
				case <-time.After(tick):
				}
			}
		}()
		if got := count(); got != 20 {
			t.Errorf("%d calls in 10 s of an agent that is asked, want 20", got)
		}
		close(stop)
	})
}
