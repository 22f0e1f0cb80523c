package migrate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// jobRig has n sessions in old, mirrored, and jobs that take ten seconds: time
// enough to meet them on a busy machine.
func jobRig(t *testing.T, n int) *rig {
	r := newRig(t, 2, func(o *Options) { o.Pace.Rate = float64(n) / 10 })
	for i := range n {
		r.put(r.old, ref(speedName(i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	return r
}

// until waits for something that the page of a job says.
func (r *rig) until(name, what string, fn func(*JobState) bool) JobState {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s, found, err := r.m.JobState(name)
		if err != nil {
			r.t.Fatal(err)
		}
		if found && fn(&s) {
			return s
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s is not %s: %+v", name, what, s)
		}
	}
}

// TestWishes: a job stands still, goes on and ends when somebody else wishes; each
// wish says before what it would do, and does nothing then.
func TestWishes(t *testing.T) {
	r := jobRig(t, 4000)
	says := func(wish, text, refused string) {
		t.Helper()
		p, err := r.m.PlanWish(JobBackfill, wish)
		if err != nil || !strings.Contains(p.Text, text) || !strings.Contains(p.Refused, refused) || (refused == "") != (p.Refused == "") || refused == "" && len(p.Back) == 0 || p.State == "" {
			t.Errorf("dry run of %s: %+v, %v, want %q and %q", wish, p, err, text, refused)
		}
	}
	says(WishHold, "", "no backfill is running")
	if _, err := r.m.PlanWish(JobBackfill, "stop"); err == nil {
		t.Error("a wish that there is not has a dry run")
	}
	if err := r.m.Wish(JobBackfill, WishHold); err == nil {
		t.Error("a wish is taken though nothing runs")
	}
	ended := make(chan error, 1)
	go func() { _, err := r.m.Backfill(context.Background(), nil); ended <- err }()
	r.until(JobBackfill, "running", func(s *JobState) bool { return s.Live() && s.Progress.Done > 0 })
	other := r.migration()
	says(WishHold, "stands still within a second, at ", "")
	says(WishRelease, "nothing: the backfill goes on already", "")
	says(WishCancel, "; what it has copied stays", "")
	if err := other.Wish(JobBackfill, WishHold); err != nil {
		t.Fatal(err)
	}
	r.until(JobBackfill, "held", func(s *JobState) bool { return s.Held })
	// What a worker had begun is done in its time; then nothing more.
	var at JobState
	for end := time.Now().Add(30 * time.Second); ; {
		at = r.until(JobBackfill, "held", func(s *JobState) bool { return s.Held })
		time.Sleep(600 * time.Millisecond)
		s, _, _ := r.m.JobState(JobBackfill)
		if s.Progress.Done == at.Progress.Done && s.Progress.Done < 4000 {
			break
		}
		if s.Progress.Done == 4000 || time.Now().After(end) {
			t.Fatalf("held at %d, and then at %d", at.Progress.Done, s.Progress.Done)
		}
	}
	says(WishHold, "nothing: the backfill stands still already", "")
	says(WishRelease, "goes on within a second", "")
	if err := other.Wish(JobBackfill, WishRelease); err != nil {
		t.Fatal(err)
	}
	r.until(JobBackfill, "going on", func(s *JobState) bool { return s.Progress.Done > at.Progress.Done })
	if err := other.Wish(JobBackfill, WishCancel); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrCancelled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	r.m.o.Pace.Rate = 0
	if rep := r.backfill(); rep.Resumed != 0 || rep.Sessions != 4000 {
		t.Errorf("after a cancel: resumed %d, %d sessions, want 0 and all", rep.Resumed, rep.Sessions)
	}
}

// TestPlaceCounts: a verification goes on where it was cut short, and begins
// anew after another revision, or when an agent has died.
func TestPlaceCounts(t *testing.T) {
	r := jobRig(t, 6000)
	if _, err := r.migration().Backfill(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	cut := func() {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { _, err := r.m.Verify(ctx, nil); ended <- err }()
		r.until(JobVerify, "on its way", func(s *JobState) bool { return s.Live() && s.Place != "" && s.Place != "0" })
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	fast := func() Report {
		t.Helper()
		rep, err := r.migration().Verify(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	cut()
	// What lies before the place was verified, and is not looked at again.
	if rep := fast(); rep.Resumed != 1 || rep.Sessions < 6000 {
		t.Errorf("resumed %d, %d names, %d sessions", rep.Resumed, rep.Names, rep.Sessions)
	}
	for what, change := range map[string]func(){
		"revision": func() { r.ramp("read-new", 1) },
		"agent": func() {
			r.agents[0].restart(false)
			if _, err := r.migration().Backfill(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
		},
	} {
		cut()
		change()
		if rep := fast(); rep.Resumed != 0 || rep.Sessions != 6000 {
			t.Errorf("%s: resumed %d, %d sessions, want a new beginning", what, rep.Resumed, rep.Sessions)
		}
	}
	if rep := fast(); rep.Resumed != 0 {
		t.Errorf("one that has ended is resumed: %d", rep.Resumed)
	}
}
