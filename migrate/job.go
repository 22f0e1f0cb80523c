package migrate

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate/book"
)

// pageVersion rises when an older tool would misread the page of a job.
const pageVersion = 1

// saveEvery is how often a job saves its page and looks for wishes: what is
// done since is done again after a kill.
const saveEvery = 250 * time.Millisecond

// The names of jobs: of their pages, and on the command line.
const (
	JobBackfill = "backfill"
	JobVerify   = "verify"
	jobReverse  = "reverse"
)

// JobState is the page of a job: what it says of itself four times a second, and where
// it goes on when it is run again. No id is in it.
type JobState struct {
	Version int    `json:"version"`
	Job     string `json:"job"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	// Flags is the digest of the flag file, and Agents the lives of the agents,
	// for which Place counts.
	Flags  string            `json:"flags"`
	Agents map[string]string `json:"agents"`
	// Dirty is how often each agent had more dirty sessions than it remembers,
	// when the first run began: what came since may lie before Place.
	Dirty map[string]uint64 `json:"dirty,omitempty"`
	Began time.Time         `json:"began"` // of the first of the runs that make one job
	Saved time.Time         `json:"saved"`
	Runs  int               `json:"runs"`
	Ended bool              `json:"ended"`
	Held  bool              `json:"held,omitempty"`
	// Phase is which store is gone through, and Place where that has come to
	// (backends.Resumer).
	Phase    string   `json:"phase,omitempty"`
	Place    string   `json:"place,omitempty"`
	Report   Report   `json:"report"` // up to Place, some of what is behind it may be in it
	Progress Progress `json:"progress"`
}

// Live tells whether the job is running, as far as its page says.
func (s *JobState) Live() bool { return s.PID != 0 && !s.Ended && time.Since(s.Saved) < 5*beat }

// JobState reads what a job says of itself; found false: it was never run.
func (m *Migration) JobState(name string) (s JobState, found bool, err error) {
	if name != JobBackfill && name != JobVerify && name != jobReverse {
		return s, false, fmt.Errorf("migrate: no job %q: accepted are backfill and verify", name)
	}
	found, err = m.loadPage(name, &s)
	return s, found, err
}

// job is the running side of a page.
type job struct {
	m    *Migration
	name string
	lock book.Lock // of who copies
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex // guards what follows
	page  JobState
	moved *sync.Cond // held has changed, or the job ends
	held  bool
	over  bool
}

// resume opens the page of a job that begins now, and tells why it does not go
// on where the last run was; "": it does, or there was none.
func (c *copier) resume(name string) (why string, err error) {
	j := &job{m: c.m, name: name, lock: c.lease.lock}
	j.moved = sync.NewCond(&j.mu)
	was, found, err := c.m.JobState(name)
	if err != nil {
		return "", err
	}
	host, _ := os.Hostname()
	j.page = JobState{Version: pageVersion, Job: c.rep.Job, Host: host, PID: os.Getpid(), Flags: c.cur.digest(), Agents: maps.Clone(c.began),
		Dirty: maps.Clone(c.dirty), Began: c.rep.Began, Runs: 1}
	switch {
	case !found || was.Ended || was.Version != pageVersion || was.Phase == "" && was.Place == "":
	case was.Flags != c.cur.digest():
		why = "the flags have changed since"
	case was.Report.Sample != c.rep.Sample:
		why = "the last run looked at another share of the sessions"
	case was.Place == "" && was.Phase != phaseTarget && (name != jobReverse || was.Phase == phaseCopy):
		why = "the last run was cut short before it came to a place to go on from"
	case !c.sameLives(&was):
		why = "an agent has ended without saying so, or is new, since"
	default:
		j.page.Phase, j.page.Place, j.page.Began, j.page.Runs = was.Phase, was.Place, was.Began, was.Runs+1
		j.page.Dirty, c.dirty = was.Dirty, was.Dirty
		c.rep = was.Report
		c.rep.Began, c.rep.Resumed = was.Began, was.Runs
		if c.rep.Differences == nil {
			c.rep.Differences = map[string]int64{}
		}
	}
	j.page.Report = c.rep.clone()
	c.job = j
	if err := c.m.saveWish(name, wish{}); err != nil {
		return "", err
	}
	return why, j.save()
}

// sameLives tells whether the agents are those of an earlier run, or followed
// them after a clean end with nothing that they could not remember.
func (c *copier) sameLives(was *JobState) bool {
	if len(was.Agents) != len(c.began) || len(was.Dirty) != len(c.dirty) {
		return false
	}
	for addr := range c.began {
		before, ok := was.Agents[addr]
		clean := before == c.cleanFrom[addr] && was.Dirty[addr] == 0 && c.dirty[addr] == 0
		if !ok || before != c.began[addr] && !clean {
			return false
		}
	}
	return true
}

// start begins to save the page and to obey wishes.
func (j *job) start(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	j.stop = func() { cancel(nil) }
	context.AfterFunc(ctx, func() { j.set(func() { j.over = true }) })
	j.wg.Go(func() {
		for pause(ctx, saveEvery) == nil {
			var w wish
			j.m.loadPage(j.name+"-wish", &w) // the next beat tries again
			switch w.Wish {
			case WishHold, WishRelease:
				j.set(func() { j.held = w.Wish == WishHold; j.page.Held = j.held })
			case WishCancel:
				j.set(func() { j.page.Phase, j.page.Place = "", "" })
				cancel(ErrCancelled)
			}
			j.save()
		}
	})
	return ctx
}

func (j *job) set(fn func()) {
	j.mu.Lock()
	fn()
	j.mu.Unlock()
	j.moved.Broadcast()
}

// wait waits while the job is held.
func (j *job) wait() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.held && !j.over {
		j.moved.Wait()
	}
}

// at notes that everything up to a place is done.
func (j *job) at(phase, place string, r *Report) {
	if j == nil {
		return
	}
	c := r.clone()
	j.set(func() { j.page.Phase, j.page.Place, j.page.Report = phase, place, c })
}

// from is where a phase goes on, and whether an earlier run has done it. order
// are all phases.
func (j *job) from(phase string, order []string) (place string, done bool) {
	if j == nil {
		return "", false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.page.Phase == phase {
		return j.page.Place, false
	}
	return "", slices.Index(order, phase) < slices.Index(order, j.page.Phase)
}

func (j *job) progress(p Progress) {
	if j != nil {
		j.set(func() { j.page.Progress = p })
	}
}

func (j *job) save() error {
	j.mu.Lock()
	j.page.Saved = time.Now().UTC()
	page := j.page
	j.mu.Unlock()
	return j.m.savePage(j.lock, j.name, page)
}

// end writes the page for the last time. done: nothing is left to go on with.
func (j *job) end(done bool, r *Report) {
	if j == nil {
		return
	}
	j.stop()
	j.wg.Wait()
	c := r.clone()
	j.set(func() {
		j.page.PID = 0
		if j.page.Ended = done; done {
			j.page.Phase, j.page.Place, j.page.Report = "", "", c
		}
	})
	j.save() // without it the next run copies some twice
}

func (s *JobState) String() string {
	switch p := s.Progress; {
	case s.Ended:
		return fmt.Sprintf("%s: ended %s", s.Job, s.Saved.Format(time.RFC3339))
	case !s.Live():
		return fmt.Sprintf("%s: not running; run it again: it goes on", s.Job)
	case s.Held:
		return fmt.Sprintf("%s: held, at %d of %d", s.Job, p.Done, p.Total)
	default:
		return fmt.Sprintf("%s: running (process %d on %s)", s.Job, s.PID, s.Host)
	}
}
