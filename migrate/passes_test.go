package migrate

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// lister is a store that lists from the beginning, or not at all.
type lister struct {
	darklaunch.Abilities
	sc backends.Scanner
}

func (l lister) Scan(ctx context.Context, prefix string, fn func([]string) error) error {
	return l.sc.Scan(ctx, prefix, fn)
}

// TestPassHolds: each session is in one pass, and each pass has its share.
func TestPassHolds(t *testing.T) {
	hasher, _ := flags.NewHasher(make([]byte, 32))
	for of := 1; of <= passesMost; of++ {
		in := make([]int, of)
		for i := range 8000 {
			h, n := hasher.SumString(fmt.Sprint(i)), 0
			for k := range of {
				if (pass{k, of}).holds(h) {
					in[k]++
					n++
				}
			}
			if n != 1 {
				t.Fatalf("a session is in %d of %d passes", n, of)
			}
		}
		for k, n := range in {
			if want := 8000 / of; n < want*3/4 || n > want*5/4 {
				t.Errorf("pass %d of %d has %d sessions, want some %d", k, of, n, want)
			}
		}
	}
	for place, want := range map[string]pass{"": {0, 8}, "pass 3 of 8": {3, 8}, "pass 8 of 8": {8, 8}, "pass 9 of 8": {0, 8}, "0 of": {0, 8}, "pass 0 of 0": {0, 8}, "pass 1 of 90": {0, 8}} {
		if got := passAt(place, 0, 100); got != want {
			t.Errorf("%q: %v, want %v", place, got, want)
		}
	}
	if got := passAt("", 100, 100); got != (pass{0, 1}) {
		t.Errorf("few sessions: %v", got)
	}
}

// TestPassesResume: of a store that gives no places, a backfill and a verification
// that were cut short look at nothing again but the pass that they were in.
func TestPassesResume(t *testing.T) {
	const n = 4000
	r := jobRig(t, n)
	listed := func(o *Options) {
		o.Layer = func() (darklaunch.Options, error) {
			l := r.options("")
			l.Old.Store = lister{r.old, r.old}
			return l, nil
		}
	}
	r.m = r.migration(listed, func(o *Options) { o.Pace.Rate = n / 2 })
	r.m.onePass = 10
	fast := r.migration(listed)
	fast.onePass = 10
	r.put(r.old, ref("x").OldKey(), "x")
	r.put(r.old, backends.Key{Name: "nobodys"}, "x")
	for name, run := range map[string]func(*Migration, context.Context) (Report, error){
		JobBackfill: func(m *Migration, ctx context.Context) (Report, error) { return m.Backfill(ctx, nil) },
	} {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			_, err := run(r.m, ctx)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
			ended <- err
		}()
		var at pass
		r.until(name, "past some passes", func(s *JobState) bool {
			at = passAt(s.Place, 0, 0)
			return s.Live() && at.n >= 2
		})
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cut, _, _ := r.m.JobState(name)
		at = passAt(cut.Place, 0, 0)
		before := cut.Report.Sessions
		if before < n/8 {
			t.Fatalf("%s: %d sessions are said to be done at %v", name, before, at)
		}
		var reads int64
		rep, err := run(fast, t.Context())
		if err != nil {
			t.Fatal(err)
		}
		reads = rep.Sessions - before
		if rep.Resumed != 1 || rep.Sessions != n+1 || rep.Names != n+2+rep.Own || rep.Others != 1 {
			t.Errorf("%s: resumed %d, %d sessions, %d names, %d of nobody, %d own; want all once", name, rep.Resumed, rep.Sessions, rep.Names, rep.Others, rep.Own)
		}
		if want := int64(n) * int64(at.of-at.n) / int64(at.of); reads > want*5/4 {
			t.Errorf("%s: looked at %d sessions after %v, want some %d", name, reads, at, want)
		}
	}
	for i := range n {
		if _, found, _ := r.new.Get(t.Context(), ref(speedName(i)).NewKey()); !found {
			t.Fatalf("session %d was not copied", i)
		}
	}
	if rep, err := fast.Verify(t.Context(), nil); err != nil || rep.Sessions != n+1 || len(rep.Differences) > 0 {
		t.Errorf("verify: %d sessions, %v, %v", rep.Sessions, rep.Differences, err)
	}
}

// TestPassNotWhole: a pass of which a copy failed is where the next run begins.
func TestPassNotWhole(t *testing.T) {
	const n = 800
	r := jobRig(t, n)
	r.m = r.migration(func(o *Options) {
		o.Pace.Rate = n
		o.Layer = func() (darklaunch.Options, error) {
			l := r.options("")
			l.Old.Store = lister{r.old, r.old}
			return l, nil
		}
	})
	r.m.onePass = 10
	bad := ref(speedName(0)).NewKey().Name
	r.faults[1].set(func(c memory.Call) (f memory.Fault) {
		if c.Key == bad {
			f.Kind = memory.NotApplied
		}
		return f
	})
	h := r.hasher.SumString(speedName(0))
	mine := int(h[6]) * passesMost >> 8
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { _, err := r.m.Backfill(ctx, nil); ended <- err }()
	r.until(JobBackfill, "through all passes", func(s *JobState) bool { return s.Progress.Done >= n })
	cancel()
	<-ended
	if s, _, _ := r.m.JobState(JobBackfill); passAt(s.Place, 0, 0).n != mine {
		t.Errorf("a run after it would begin with %q, and a session of pass %d was not copied", s.Place, mine)
	}
	r.faults[1].set(nil)
	if rep, err := r.m.Backfill(t.Context(), nil); err != nil || rep.Resumed != 1 {
		t.Errorf("the run after it: %+v, %v", rep, err)
	}
	if _, found, _ := r.new.Get(t.Context(), ref(speedName(0)).NewKey()); !found {
		t.Error("the session whose copy failed was not copied")
	}
}
