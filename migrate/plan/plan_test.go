package plan

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

func TestDefault(t *testing.T) {
	p := Default()
	if len(p.Steps) != 15 || p.Window != time.Minute {
		t.Fatalf("got %d steps, window %v", len(p.Steps), p.Window)
	}
	last := p.Steps[len(p.Steps)-1]
	if last.String() != "ramp cutover 100" || last.Soak != 7*24*time.Hour || last.Back != "" {
		t.Errorf("the last step is %v, %v, %q", last, last.Soak, last.Back)
	}
	if first := p.Steps[0]; first.Limits.Logouts != gates.Off || first.Limits.P99 != 1.5 {
		t.Errorf("the first step's limits: %+v", first.Limits)
	}
	if p.Steps[6].Limits != gates.Defaults() || p.Steps[6].Back != Mirror {
		t.Errorf("read-new 1: %+v, back to %q", p.Steps[6].Limits, p.Steps[6].Back)
	}
}

// TestDone: the place is what was reached, by whoever.
func TestDone(t *testing.T) {
	p := Default()
	for _, tt := range []struct {
		at   Where
		next string
	}{
		{Where{}, "ramp mirror 1"},
		{Where{Mirror: 100}, "ramp mirror 10"},
		{Where{Mirror: 5000}, "ramp mirror 100"},
		{Where{Mirror: 10_000}, "backfill"},
		{Where{Mirror: 10_000, Backfilled: true}, "verify"},
		{Where{Mirror: 10_000, Backfilled: true, Verified: true}, "ramp read-new 1"},
		{Where{Mirror: 10_000, ReadNew: 3000}, "ramp read-new 50"},
		{Where{Mirror: 10_000, ReadNew: 10_000, Cutover: 4000}, "ramp cutover 50"},
		{Where{Mirror: 10_000, ReadNew: 10_000, Cutover: 10_000}, ""},
	} {
		got := ""
		if n := p.Done(tt.at); n < len(p.Steps) {
			got = p.Steps[n].String()
		}
		if got != tt.next {
			t.Errorf("%+v: next is %q, want %q", tt.at, got, tt.next)
		}
	}
}

func TestOwnLimits(t *testing.T) {
	p, err := Parse("p.yaml", []byte(`
gates: {p99: 2, errors: off}
on_failure: rollback mirror
steps:
  - {ramp: mirror, to: 100, soak: 1s, gates: {logouts: 500, samples: 7}}
  - do: backfill
  - do: verify
  - {ramp: read-new, to: 12.5, soak: 1s, gates: {errors: 0.5}, on_failure: hold}
  - {ramp: read-new, to: 13}
`))
	if err != nil {
		t.Fatal(err)
	}
	s := p.Steps
	if l := s[0].Limits; l.Logouts != 500 || l.Samples != 7 || l.P99 != 2 || l.Errors != gates.Off {
		t.Errorf("mirror: %+v", l)
	}
	if s[0].Back != "" || s[3].Back != "" || s[4].Back != Mirror {
		t.Errorf("back: %q, %q, %q, want none, none and mirror", s[0].Back, s[3].Back, s[4].Back)
	}
	if s[3].To != 1250 || s[3].Limits.Errors != .5 || s[4].Limits.Errors != gates.Off || s[4].To != 1300 {
		t.Errorf("read-new: %+v, %+v", s[3], s[4])
	}
	if s[2].Limits.Logouts != 300 || s[1].Limits.Logouts != gates.Off {
		t.Errorf("logouts after verify %v, after backfill %v", s[2].Limits.Logouts, s[1].Limits.Logouts)
	}
}

// TestProblems: each mistake is told with its line and what is accepted.
func TestProblems(t *testing.T) {
	upTo := map[string]string{
		"copied":   "steps:\n- {ramp: mirror, to: 100}\n- {do: backfill}\n- {do: verify}\n",
		"read-new": "steps:\n- {ramp: mirror, to: 100}\n- {do: backfill}\n- {do: verify}\n- {ramp: read-new, to: 50, soak: 1h}\n",
	}
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "p.yaml:1: the file is empty"},
		{"no yaml", "steps: [", "p.yaml:1: "},
		{"a list", "- a", "p.yaml:1: plan: accepted are keys"},
		{"no steps", "window: 1m\n", "p.yaml:1: steps: accepted is a list"},
		{"unknown key", "steps:\n- {ramp: mirror, two: 1}\n", `p.yaml:2: step: unknown key "two": accepted are do, gates, on_failure, ramp, soak, to`},
		{"twice", "steps:\n- {ramp: mirror, to: 1, to: 2}\n", "p.yaml:"},
		{"unknown stage", "steps:\n- {ramp: sealed, to: 1}\n", `p.yaml:2: ramp: "sealed": accepted are mirror, read-new, cutover`},
		{"unknown do", "steps:\n- do: copy\n", `p.yaml:2: do: "copy": accepted are backfill, verify`},
		{"both", "steps:\n- {ramp: mirror, do: verify, to: 1}\n", "p.yaml:2: step: accepted is either"},
		{"no to", "steps:\n- {ramp: mirror}\n", "p.yaml:2: step: ramp mirror needs to"},
		{"to beside do", "steps:\n- {do: verify, to: 1}\n", "p.yaml:2: step: to stands beside do"},
		{"to nothing", "steps:\n- {ramp: mirror, to: 0}\n", `p.yaml:2: to: "0": accepted are 0.01 to 100`},
		{"soak without unit", "steps:\n- {ramp: mirror, to: 1, soak: 10}\n", `p.yaml:2: soak: "10": accepted are durations`},
		{"unknown gate", "gates:\n  p98: 1\nsteps:\n- {ramp: mirror, to: 1}\n", `p.yaml:2: gates: unknown key "p98": accepted are divergence, errors`},
		{"a limit that none passes", "gates: {logouts: 10}\nsteps:\n- {ramp: mirror, to: 1}\n", "p.yaml:1: gates: logouts: \"10\": accepted are numbers of sessions from 234"},
		{"a share in percent", "gates: {errors: 5}\nsteps:\n- {ramp: mirror, to: 1}\n", "accepted are shares from 0 to 1, or off"},
		{"no number", "gates: {p99: .nan}\nsteps:\n- {ramp: mirror, to: 1}\n", "accepted are ratios from 1"},
		{"on_failure", "on_failure: panic\nsteps:\n- {ramp: mirror, to: 1}\n", `p.yaml:1: on_failure: "panic": accepted are hold`},

		{"down", "steps:\n- {ramp: mirror, to: 10}\n- {ramp: mirror, to: 5}\n", "p.yaml:3: ramp mirror 5: mirror is at 10 already"},
		{"backfill too early", "steps:\n- {ramp: mirror, to: 10}\n- {do: backfill}\n", "p.yaml:3: backfill: comes before ramp mirror 100"},
		{"verify without backfill", "steps:\n- {ramp: mirror, to: 100}\n- {do: verify}\n", "p.yaml:3: verify: comes before backfill"},
		{"read-new without verify", "steps:\n- {ramp: mirror, to: 100}\n- {do: backfill}\n- {ramp: read-new, to: 1}\n", "p.yaml:4: ramp read-new 1: comes before backfill and verify"},
		{"backwards", upTo["read-new"] + "- {do: verify}\n", "p.yaml:6: verify: comes after ramp read-new 50"},
		{"twice done", upTo["copied"] + "- {do: verify}\n", "p.yaml:5: verify: stands there twice"},
		{"not nested", upTo["read-new"] + "- {ramp: cutover, to: 60, soak: 1h}\n", "p.yaml:6: ramp cutover 60: read-new is at 50"},
		{"cutover without soak before", upTo["copied"] + "- {ramp: read-new, to: 50}\n- {ramp: cutover, to: 5}\n", "p.yaml:6: ramp cutover 5: ramp read-new 50 before it has no soak"},
		{"cutover after cutover", upTo["read-new"] + "- {ramp: cutover, to: 1}\n- {ramp: cutover, to: 5}\n", "p.yaml:7: ramp cutover 5: ramp cutover 1 before it has no soak"},
		{"soak of a copy", "steps:\n- {ramp: mirror, to: 100}\n- {do: backfill, soak: 1h}\n", "p.yaml:3: backfill: soak stands beside do"},
		{"rollback to nowhere", "steps:\n- {ramp: mirror, to: 1, on_failure: rollback read-new}\n", "p.yaml:2: ramp mirror 1: on_failure: rollback read-new goes nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p.yaml", []byte(tt.text))
			var e *ProblemError
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(defaultText)
	f.Add([]byte("steps: [{ramp: *a, to: &a 1}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("p.yaml", data)
		if err != nil {
			return
		}
		at := 0
		for _, s := range p.Steps { // a plan that is accepted ends in its own last step
			if s.Ramp != "" && (s.To <= 0 || s.To > flags.Buckets) {
				t.Errorf("step %v", s)
			}
			at++
		}
		if p.Done(Where{flags.Buckets, flags.Buckets, flags.Buckets, true, true}) != at {
			t.Error("all is reached, and steps are left")
		}
	})
}
