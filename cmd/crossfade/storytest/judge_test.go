package storytest

import (
	"fmt"
	"sync"
	"time"
)

// judge keeps what the ledger found, and what of it the table of bounds
// allows.
type judge struct {
	mu     sync.Mutex // guards what follows
	fresh  []finding
	broken []finding
}

// finding is one read that gave what it must not.
type finding struct {
	err  error
	id   string
	last time.Time // when the newest write was acknowledged before the read
	read time.Time // when the read began
}

// stale is for how long what was overwritten was still seen.
func (f finding) stale() time.Duration { return f.read.Sub(f.last) }

func (j *judge) found(err error, id string, last, read time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := finding{err, id, last, read}
	j.fresh = append(j.fresh, f)
	j.broken = append(j.broken, f)
}

// judged gives what was found since the last call, and takes those off that the
// rule allows. It is asked when the fault is over and its times are known.
func (j *judge) judged(allows func(finding) bool) (list []finding, excused int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	list, j.fresh = j.fresh, nil
	keep := j.broken[:len(j.broken)-len(list)]
	for _, f := range list {
		if allows != nil && allows(f) {
			excused++
			continue
		}
		keep = append(keep, f)
	}
	j.broken = keep
	return list, excused
}

// row is one line of the table that ends the test.
type row struct {
	fault, at, bound string
	longest          time.Duration // that a value was seen after a newer one was acknowledged
	stale, excused   int
	refused, ops     int64
	took             time.Duration
	note             string
}

func (r row) String() string {
	return fmt.Sprintf("%-34s %-9s bound %-38s measured %5.2fs (%d stale reads, %d within the bound); refused %d of %d; %.1fs%s", r.fault, r.at, r.bound,
		r.longest.Seconds(), r.stale, r.excused, r.refused, r.ops, r.took.Seconds(), r.note)
}

// between judges what was found since the last fault was judged: some sessions
// are read for the first time after it when it is long over.
func (s *story) between() {
	_, excused := s.crowd.judge.judged(s.asWithout)
	s.later += excused
}

// end fails the test for all that no bound allows.
func (s *story) end() {
	c, t := s.crowd, s.t
	t.Helper()
	s.between()
	excused := s.later
	for _, r := range s.rows {
		t.Log(r)
		excused += r.excused
	}
	c.judge.mu.Lock()
	defer c.judge.mu.Unlock()
	for _, f := range c.judge.broken[:min(len(c.judge.broken), 20)] {
		t.Errorf("%v: session %s, read at %s, %.2fs after the newest write was acknowledged", f.err, f.id, f.read.Format("15:04:05.000"), f.stale().Seconds())
	}
	t.Logf("%d users, %d operations in %d clicks, %d logins, %d logouts; refused for a lock that was held: %d; other refusals: %d; %s; allowed by bounds: %d; beyond them: %d",
		len(c.users), c.ops.Load(), c.clicks.Load(), c.logins.Load(), c.logouts.Load(), c.lockRefused.Load(), c.refused.Load()+c.book.Refused.Load(), c.book.String(), excused, len(c.judge.broken))
}
