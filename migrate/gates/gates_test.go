package gates

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/evidence"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// traffic is what a fleet has seen.
type traffic struct {
	requests, failed           int
	old, new                   time.Duration // of 1000 calls each
	errors, timeouts           int
	compared, differ, youngOld int
}

func (x traffic) evidence() evidence.Evidence {
	r := evidence.New()
	times := func(n int, fn func()) {
		for range n {
			fn()
		}
	}
	times(x.requests-x.failed, func() { r.Request("redis", rules.Get, position.Mirror, "hit", 0) })
	times(x.failed, func() { r.Request("redis", rules.Get, position.Mirror, "error", 0) })
	if x.new > 0 {
		times(1000, func() {
			r.StoreCall(rules.Old, darklaunch.Read, darklaunch.Request, x.old)
			r.StoreCall(rules.New, darklaunch.Read, darklaunch.Compare, x.new)
		})
	}
	times(x.errors, func() { r.StoreError(rules.New, false) })
	times(x.timeouts, func() { r.StoreError(rules.New, true) })
	times(x.compared, func() { r.Comparison("match") })
	times(x.differ, func() { r.Divergence("value", "unknown") })
	times(x.youngOld, func() { r.Divergence("missing_new", "before_mirror") })
	return *r.Read()
}

func good() *Seen {
	e := traffic{requests: 5000, old: time.Millisecond, new: time.Millisecond, compared: 1000}.evidence()
	return &Seen{Step: e, Lately: e, Window: time.Minute, Agents: 3, Logouts: &Estimate{Upper: 234, Followed: 90},
		Trips:  []Trips{{Agent: "web-1", Known: true, Took: time.Millisecond}, {Agent: "web-2", Known: true, Took: 3 * time.Millisecond}},
		Copied: true, CopiedKnown: true, Since: time.Hour, Soak: 10 * time.Minute}
}

// TestGates makes each gate pass, fail and give no answer.
func TestGates(t *testing.T) {
	lately := func(x traffic) func(*Seen) { return func(s *Seen) { s.Lately = x.evidence() } }
	step := func(x traffic) func(*Seen) { return func(s *Seen) { s.Step, s.Lately = x.evidence(), x.evidence() } }
	silent := func(s *Seen) { s.Silent = []string{"web-3"} }
	fast := traffic{requests: 5000, old: time.Millisecond, new: time.Millisecond, compared: 1000}
	with := func(fn func(*traffic)) traffic { x := fast; fn(&x); return x }
	tests := []struct {
		name, gate string
		change     func(*Seen)
		want       State
		text       string
	}{
		{"errors: none", Errors, nil, Pass, "0.00 % of requests"},
		{"errors: of requests, now", Errors, lately(with(func(x *traffic) { x.failed = 50 })), Fail, "1.00 % of requests (50 of 5000)"},
		{"errors: of requests, over the step", Errors, func(s *Seen) { s.Step = with(func(x *traffic) { x.failed = 50 }).evidence() }, Fail, "since the step"},
		{"errors: of new", Errors, lately(with(func(x *traffic) { x.errors = 20 })), Fail, "2.00 % of calls to new"},
		{"errors: as many as before", Errors, func(s *Seen) {
			step(with(func(x *traffic) { x.failed = 50 }))(s)
			s.Base = Base{Requests: 1000, Failed: 10}
		}, Pass, "1.00 % before"},
		{"errors: two are not a share", Errors, lately(traffic{requests: 10, failed: 2}), Pass, ""},
		{"errors: the breaker", Errors, func(s *Seen) { s.Open = []string{"web-1"} }, Fail, "breaker"},
		{"errors: few requests", Errors, step(traffic{requests: 20}), Inconclusive, "20 samples since the step, wanted 200"},
		{"errors: a silent agent", Errors, silent, Inconclusive, "not heard: web-3"},
		{"errors: a fail needs nobody else", Errors, func(s *Seen) { silent(s); s.Lately = traffic{requests: 100, failed: 50}.evidence() }, Fail, ""},

		{"timeouts: none", Timeouts, nil, Pass, "0.00 % of calls to new"},
		{"timeouts: some", Timeouts, lately(with(func(x *traffic) { x.timeouts = 5 })), Fail, "0.50 % of calls to new (5 of 1000)"},
		{"timeouts: no calls", Timeouts, step(traffic{requests: 5000}), Inconclusive, "0 samples"},

		{"p99: the same", P99, nil, Pass, "1.0x for reads"},
		{"p99: slow", P99, lately(with(func(x *traffic) { x.new = 8 * time.Millisecond })), Fail, "wanted 1.5x"},
		{"p99: ten times nothing", P99, step(with(func(x *traffic) { x.old, x.new = 100*time.Microsecond, time.Millisecond })), Pass, ""},
		{"p99: no calls", P99, step(traffic{requests: 5000}), Inconclusive, "no calls to compare"},
		{"p99: a silent agent", P99, silent, Inconclusive, "not heard"},

		{"divergence: none", Divergence, nil, Pass, "0 of 1000 compared"},
		{"divergence: some", Divergence, lately(with(func(x *traffic) { x.differ = 4 })), Fail, "0.40 % (4 of 1000 compared"},
		{"divergence: older than the mirror", Divergence, step(with(func(x *traffic) { x.youngOld = 400 })), Pass, ""},
		{"divergence: few comparisons", Divergence, step(traffic{requests: 5000, compared: 3}), Inconclusive, "3 samples"},

		{"logouts: none of those that are followed", Logouts, nil, Pass, "at most 234"},
		{"logouts: too many", Logouts, func(s *Seen) { s.Logouts.Upper = 301 }, Fail, "at most 301"},
		{"logouts: no estimate", Logouts, func(s *Seen) { s.Logouts = nil }, Inconclusive, "no estimate"},
		{"logouts: nobody is followed", Logouts, func(s *Seen) { s.Logouts.Followed = 0 }, Inconclusive, "no session is followed"},
		{"logouts: a sample is missing", Logouts, func(s *Seen) { s.Logouts.Silent = 1 }, Inconclusive, "1 agents did not"},

		{"marks: none", Marks, nil, Pass, "0 sessions"},
		{"marks: one", Marks, func(s *Seen) { s.Marks = 1 }, Fail, "1 sessions are marked"},
		{"marks: a silent agent", Marks, silent, Inconclusive, "web-3"},

		{"synthetic: all", Synthetic, nil, Pass, "through 2 of 2 agents, the slowest in 3ms"},
		{"synthetic: two failed in a row", Synthetic, func(s *Seen) {
			s.Trips[1] = Trips{Agent: "web-2", Known: true, Failed: 2, Why: "read (php, mirror): it is missing"}
		}, Fail, "web-2: read (php, mirror): it is missing (2 in a row)"},
		{"synthetic: one failed", Synthetic, func(s *Seen) { s.Trips[1] = Trips{Agent: "web-2", Known: true, Failed: 1, Why: "set"} }, Inconclusive, "wanted 2"},
		{"synthetic: a fail needs nobody else", Synthetic, func(s *Seen) {
			s.Trips = []Trips{{Agent: "web-1"}, {Agent: "web-2", Known: true, Failed: 5, Why: "set"}}
		}, Fail, "web-2"},
		{"synthetic: not known", Synthetic, func(s *Seen) { s.Trips[0] = Trips{Agent: "web-1"} }, Inconclusive, "no round trip lately through web-1"},
		{"synthetic: off everywhere", Synthetic, func(s *Seen) { s.Trips = []Trips{{Agent: "web-1", Known: true, Off: "old is session files"}} }, Pass, "none is made: web-1: old is session files"},
		{"synthetic: nobody", Synthetic, func(s *Seen) { s.Trips = nil }, Inconclusive, "no agent"},

		{"copied: yes", Copied, nil, Pass, ""},
		{"copied: no", Copied, func(s *Seen) { s.Copied, s.NotCopied = false, "no verification counts" }, Fail, "no verification counts"},
		{"copied: not known", Copied, func(s *Seen) { s.CopiedKnown = false }, Inconclusive, "record"},

		{"soak: over", Soak, nil, Pass, "stood for 1h0m0s"},
		{"soak: none", Soak, func(s *Seen) { s.Since, s.Soak = 1<<63-1, 0 }, Pass, "it does not soak"},
		{"soak: not over", Soak, func(s *Seen) { s.Since = 6*time.Minute + 48*time.Second }, Fail, "3m12s left of 10m"},
		{"soak: not begun", Soak, func(s *Seen) { s.Since = -1 }, Inconclusive, "not done"},

		{"fleet: all", Fleet, nil, Pass, "3 agents"},
		{"fleet: one lags", Fleet, func(s *Seen) { s.Lagging = []string{"web-3: it serves revision 4"} }, Fail, "web-3: it serves revision 4"},
		{"fleet: one is silent", Fleet, silent, Inconclusive, "web-3"},
		{"fleet: nobody", Fleet, func(s *Seen) { s.Agents = 0 }, Inconclusive, "no agent"},

		{"samples: enough", Samples, nil, Pass, "5000 requests"},
		{"samples: few", Samples, step(traffic{requests: 12}), Fail, "12 requests since the step, wanted 200"},
		{"samples: few, and a silent agent", Samples, func(s *Seen) { silent(s); s.Step = traffic{}.evidence() }, Inconclusive, "web-3"},
	}
	seen := map[string]map[State]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good()
			if tt.change != nil {
				tt.change(s)
			}
			for _, v := range Judge(Defaults(), s) {
				if v.Gate != tt.gate {
					continue
				}
				if v.State != tt.want || !strings.Contains(v.Text, tt.text) {
					t.Errorf("got %s (%s), want %s with %q", v.State, v.Text, tt.want, tt.text)
				}
				if seen[v.Gate] == nil {
					seen[v.Gate] = map[State]bool{}
				}
				seen[v.Gate][v.State] = true
				return
			}
			t.Errorf("gate %s was not looked at", tt.gate)
		})
	}
	for _, gate := range append(append([]string{}, Alarms...), Waits...) {
		if len(seen[gate]) != 3 {
			t.Errorf("gate %s was seen in %v, want all three states", gate, seen[gate])
		}
	}
}

func TestOff(t *testing.T) {
	l := Defaults()
	l.P99, l.Logouts = Off, Off
	for _, v := range Judge(l, good()) {
		if v.Gate == P99 || v.Gate == Logouts {
			t.Errorf("%s was looked at", v.Gate)
		}
	}
}

// TestSteady: one bad look holds nothing, and one good look opens nothing.
func TestSteady(t *testing.T) {
	pass, bad := []Verdict{{Gate: Errors, State: Pass}}, []Verdict{{Gate: Errors, State: Fail}}
	unsure, wait := []Verdict{{Gate: Errors, State: Inconclusive}}, []Verdict{{Gate: Soak, State: Fail}}
	var s Steady
	s.Look(bad)
	if s.Failed(bad) != nil {
		t.Error("one look was enough to fail")
	}
	s.Look(pass)
	s.Look(bad)
	if s.Failed(bad) != nil {
		t.Error("two looks with a pass between were enough to fail")
	}
	if s.Look(bad); len(s.Failed(bad)) != 1 {
		t.Error("two looks in a row were not enough to fail")
	}
	for i := range PassLooks {
		if s.Passed() {
			t.Errorf("%d looks were enough to pass", i)
		}
		s.Look(pass)
	}
	if !s.Passed() {
		t.Errorf("%d looks were not enough to pass", PassLooks)
	}
	for _, vs := range [][]Verdict{unsure, wait, nil} {
		s.Look(pass)
		if s.Look(vs); s.Passed() {
			t.Errorf("passed after %v", vs)
		}
	}
	s.Look(wait)
	if s.Look(wait); s.Failed(wait) != nil {
		t.Error("a soak that is not over counts as an alarm")
	}
}
