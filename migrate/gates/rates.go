package gates

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/evidence"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// near is how much slower new may be, whatever the ratio: no page view shows it,
// and a p99 of some hundred microseconds moves by as much with the weather.
const near = 2 * time.Millisecond

// alarmSamples is how many failures are wanted before a share above the limit
// counts: one lost packet among twenty calls is not five in a hundred.
const alarmSamples = 3

// view is what was seen in one stretch of time.
type view struct {
	*evidence.Evidence
	in string // in words
}

// twice judges what was seen lately, and unless that fails, the whole step.
func twice(judge func(float64, *Limits, *Seen, view) (State, float64, string)) func(float64, *Limits, *Seen) (State, float64, string) {
	return func(limit float64, l *Limits, s *Seen) (State, float64, string) {
		if state, value, text := judge(limit, l, s, view{&s.Lately, fmt.Sprintf("in the last %v", s.Window)}); state == Fail {
			return state, value, text
		}
		return judge(limit, l, s, view{&s.Step, "since the step"})
	}
}

// failures is the share of requests that ended in an error, or of calls to new
// that failed: the worse of the two, above what it was before the step.
func failures(limit float64, l *Limits, s *Seen, v view) (State, float64, string) {
	if len(s.Open) > 0 {
		return Fail, 1, "new is given up for the moment (breaker) at " + strings.Join(s.Open, ", ")
	}
	all, failed := v.Asked()
	a := rate("requests", failed, all, s.Base.Failed, s.Base.Requests)
	calls, errs, _ := v.Called(rules.New)
	b := rate("calls to new", errs, calls, s.Base.Errors, s.Base.Calls)
	return above(limit, l, s, v, all, a, b)
}

// timeouts is the share of calls to new that timed out, above what it was before
// the step.
func timeouts(limit float64, l *Limits, s *Seen, v view) (State, float64, string) {
	calls, _, late := v.Called(rules.New)
	return above(limit, l, s, v, calls, rate("calls to new", late, calls, s.Base.Timeouts, s.Base.Calls))
}

// share is how much of something failed, more than before.
type share struct {
	of         string
	now, was   float64
	bad, count uint64
}

func rate(of string, bad, all, wasBad, wasAll uint64) share {
	r := share{of: of, bad: bad, count: all}
	if all > 0 {
		r.now = float64(bad) / float64(all)
	}
	if wasAll > 0 {
		r.was = float64(wasBad) / float64(wasAll)
	}
	return r
}

func (r share) more() float64 { return max(r.now-r.was, 0) }

func (r share) String() string {
	return fmt.Sprintf("%s of %s (%d of %d), %s before", percent(r.now), r.of, r.bad, r.count, percent(r.was))
}

// above fails on the worst of some shares, and passes when count samples and all
// agents were heard.
func above(limit float64, l *Limits, s *Seen, v view, count uint64, rs ...share) (State, float64, string) {
	worst := rs[0]
	for _, r := range rs[1:] {
		if r.more() > worst.more() {
			worst = r
		}
	}
	text := fmt.Sprintf("%v, %s; wanted at most %s more", worst, v.in, percent(limit))
	if worst.more() > limit && worst.bad >= alarmSamples {
		return Fail, worst.more(), text
	}
	return enough(s, v, float64(count), l.Samples, worst.more(), text)
}

// enough is a pass where as many samples as wanted were heard, of all agents.
func enough(s *Seen, v view, got, want, value float64, text string) (State, float64, string) {
	switch {
	case len(s.Silent) > 0:
		return Inconclusive, value, "not heard: " + strings.Join(s.Silent, ", ")
	case got < want:
		return Inconclusive, value, fmt.Sprintf("%.0f samples %s, wanted %.0f: %s", got, v.in, want, text)
	}
	return Pass, value, text
}

// p99 is how much slower new is than old, for reads or writes, whichever is
// worse.
func p99(limit float64, l *Limits, s *Seen, v view) (State, float64, string) {
	// A p99 of less is the largest of all, and says nothing.
	want := max(l.Samples/2, 100)
	var worst, most float64
	text := "no calls to compare"
	for _, class := range []darklaunch.Class{darklaunch.Read, darklaunch.Write} {
		older, newer := v.Took(rules.Old, class), v.Took(rules.New, class)
		n := float64(min(older.Count(), newer.Count()))
		if n == 0 {
			continue
		}
		if most = max(most, n); n < want {
			continue
		}
		a, b := older.Quantile(.99), newer.Quantile(.99)
		ratio := float64(b) / float64(max(a, time.Microsecond))
		if b-a <= near {
			ratio = min(ratio, 1)
		}
		if ratio > worst {
			worst = ratio
			text = fmt.Sprintf("%.1fx for %ss (new %v, old %v), wanted %.1fx", ratio, class, round(b), round(a), limit)
		}
		if ratio > limit {
			return Fail, ratio, text
		}
	}
	return enough(s, v, most, want, worst, text)
}

// divergence is how many of the sessions that were compared differ.
func divergence(limit float64, l *Limits, s *Seen, v view) (State, float64, string) {
	all, differ := v.Compared()
	value := 0.0
	if all > 0 {
		value = float64(differ) / float64(all)
	}
	text := fmt.Sprintf("%s (%d of %d compared, %s), wanted at most %s", percent(value), differ, all, v.in, percent(limit))
	if value > limit && differ >= alarmSamples {
		return Fail, value, text
	}
	return enough(s, v, float64(all), l.Samples/10, value, text)
}

func percent(f float64) string { return fmt.Sprintf("%.2f %%", 100*f) }

func round(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Microsecond)
}
