package plan

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

// Problem is one thing that is wrong with a plan.
type Problem struct {
	Line int // from 1
	Text string
}

// ProblemError is everything that is wrong with a plan, in its order.
type ProblemError struct {
	File     string
	Problems []Problem
}

func (e *ProblemError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = fmt.Sprintf("%s:%d: %s", e.File, p.Line, p.Text)
	}
	return "plan: " + strings.Join(lines, "\n")
}

// Load reads and checks a plan.
func Load(path string) (*Plan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("plan: %w: begin with the one that is built in: crossfade plan show --yaml", err)
	}
	return Parse(path, data)
}

// Parse is Load of bytes; name is what errors call the file.
func Parse(name string, data []byte) (*Plan, error) {
	var root yaml.Node
	r := &reader{p: &Plan{Name: name, Window: time.Minute}}
	if err := yaml.Unmarshal(data, &root); err != nil {
		r.bad(lineOf(err), "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	} else if len(root.Content) == 0 {
		r.bad(1, "the file is empty: begin with the one that is built in: crossfade plan show --yaml")
	} else {
		r.plan(root.Content[0])
	}
	if len(r.problems) == 0 {
		r.problems = lint(r.p)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &ProblemError{name, r.problems}
	}
	return r.p, nil
}

// yamlLine: the parser says it in words only.
var yamlLine = regexp.MustCompile(`line (\d+)`)

func lineOf(err error) int {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 1
}

// reader makes a plan of nodes, and notes what it cannot use.
type reader struct {
	p        *Plan
	problems []Problem
}

func (r *reader) bad(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{line, fmt.Sprintf(format, args...)})
}

// fields calls fn for each key of a mapping; fn nil for what is not accepted.
func (r *reader) fields(n *yaml.Node, what string, accepted map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.bad(n.Line, "%s: accepted are keys with values", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		fn := accepted[key.Value]
		switch {
		case fn == nil:
			r.bad(key.Line, "%s: unknown key %q: accepted are %s", what, key.Value, strings.Join(keys(accepted), ", "))
		case seen[key.Value]:
			r.bad(key.Line, "%s: %s stands there twice", what, key.Value)
		default:
			seen[key.Value] = true
			fn(value)
		}
	}
}

func keys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func (r *reader) plan(n *yaml.Node) {
	limits, back := gates.Defaults(), ""
	var steps *yaml.Node
	r.fields(n, "plan", map[string]func(*yaml.Node){
		"window":     func(n *yaml.Node) { r.p.Window = r.duration(n, "window", time.Second, 24*time.Hour) },
		"gates":      func(n *yaml.Node) { r.gates(n, &limits) },
		"on_failure": func(n *yaml.Node) { back = r.failure(n) },
		"steps":      func(n *yaml.Node) { steps = n },
	})
	if steps == nil || steps.Kind != yaml.SequenceNode || len(steps.Content) == 0 {
		r.bad(n.Line, "steps: accepted is a list of at least one step, such as {ramp: mirror, to: 1, soak: 10m}")
		return
	}
	for _, s := range steps.Content {
		r.p.Steps = append(r.p.Steps, r.step(s, limits, back))
	}
}

func (r *reader) step(n *yaml.Node, limits gates.Limits, back string) Step {
	s := Step{Line: n.Line, To: -1, Back: back, Limits: limits}
	var own *yaml.Node
	ownBack := false
	r.fields(n, "step", map[string]func(*yaml.Node){
		"ramp":       func(n *yaml.Node) { s.Ramp = r.word(n, "ramp", Mirror, ReadNew, Cutover) },
		"do":         func(n *yaml.Node) { s.Do = r.word(n, "do", Backfill, Verify) },
		"to":         func(n *yaml.Node) { s.To = r.percent(n) },
		"soak":       func(n *yaml.Node) { s.Soak = r.duration(n, "soak", 0, 90*24*time.Hour) },
		"gates":      func(n *yaml.Node) { own = n },
		"on_failure": func(n *yaml.Node) { s.Back, ownBack = r.failure(n), true },
	})
	switch {
	case (s.Ramp == "") == (s.Do == ""):
		r.bad(n.Line, "step: accepted is either ramp, with to, or do")
	case s.Ramp != "" && s.To < 0:
		r.bad(n.Line, "step: ramp %s needs to: accepted are 0.01 to 100, in percent", s.Ramp)
	case s.Do != "" && s.To >= 0:
		r.bad(n.Line, "step: to stands beside do: %s is of all sessions", s.Do)
	}
	s.applies()
	if own != nil {
		r.gates(own, &s.Limits)
	}
	if !ownBack && !before(s.Back, s.Ramp) {
		s.Back = "" // the plan's own is for steps that are beyond it
	}
	return s
}

// applies leaves out what says nothing at this step, unless the step names it:
// before a verification most sessions would be lost, a copy is no soak, and
// where all is cut over nobody asks old any more.
func (s *Step) applies() {
	if s.Ramp == Mirror || s.Do == Backfill {
		s.Limits.Logouts, s.Limits.Copied = gates.Off, gates.Off
	}
	if s.Ramp == Cutover && s.To == flags.Buckets {
		s.Limits.Divergence, s.Limits.P99, s.Limits.Logouts = gates.Off, gates.Off, gates.Off
	}
	if s.Do != "" {
		s.Limits.P99, s.Limits.Samples = gates.Off, 0
	}
}

func (r *reader) gates(n *yaml.Node, l *gates.Limits) {
	number := func(name string, into *float64, least, most float64, accepted string) func(*yaml.Node) {
		return func(n *yaml.Node) {
			if n.Value == "off" || n.Value == "false" {
				*into = gates.Off
				return
			}
			v, err := strconv.ParseFloat(n.Value, 64)
			if n.Kind != yaml.ScalarNode || err != nil || !(v >= least && v <= most) {
				r.bad(n.Line, "gates: %s: %q: accepted are %s, or off", name, n.Value, accepted)
				return
			}
			*into = v
		}
	}
	const share = "shares from 0 to 1"
	samples := func(n *yaml.Node) {
		if n.Value == "off" {
			l.Samples = 0
			return
		}
		number(gates.Samples, &l.Samples, 0, 1e9, "numbers of requests")(n)
	}
	r.fields(n, "gates", map[string]func(*yaml.Node){
		// None found still leaves so many: below it the gate could never pass.
		gates.Logouts:    number(gates.Logouts, &l.Logouts, 234, 1e9, "numbers of sessions from 234, which is the bound when none is found"),
		gates.Divergence: number(gates.Divergence, &l.Divergence, 0, 1, share),
		gates.P99:        number(gates.P99, &l.P99, 1, 1000, "ratios from 1"),
		gates.Errors:     number(gates.Errors, &l.Errors, 0, 1, share),
		gates.Timeouts:   number(gates.Timeouts, &l.Timeouts, 0, 1, share),
		gates.Marks:      number(gates.Marks, &l.Marks, 0, 1e9, "numbers of sessions"),
		gates.Synthetic:  number(gates.Synthetic, &l.Synthetic, 1, 1000, "numbers of round trips, from 1"),
		gates.Samples:    samples,
	})
}

func (r *reader) word(n *yaml.Node, what string, accepted ...string) string {
	if !slices.Contains(accepted, n.Value) {
		r.bad(n.Line, "%s: %q: accepted are %s", what, n.Value, strings.Join(accepted, ", "))
	}
	return n.Value
}

func (r *reader) percent(n *yaml.Node) int {
	b, err := flags.Percent(n.Value)
	if err != nil || b == 0 {
		r.bad(n.Line, "to: %q: accepted are 0.01 to 100, in percent, with at most two decimals", n.Value)
	}
	return b
}

func (r *reader) duration(n *yaml.Node, what string, least, most time.Duration) time.Duration {
	d, err := time.ParseDuration(n.Value)
	if err != nil || d < least || d > most {
		r.bad(n.Line, "%s: %q: accepted are durations from %v to %v, such as 10m", what, n.Value, least, most)
	}
	return d
}

// failure is the stage to go back to; empty: hold.
func (r *reader) failure(n *yaml.Node) string {
	stage, ok := strings.CutPrefix(n.Value, "rollback ")
	switch {
	case n.Value == "hold":
	case ok && slices.Contains([]string{"off", Mirror, ReadNew}, stage):
		return stage
	default:
		r.bad(n.Line, "on_failure: %q: accepted are hold, rollback off, rollback mirror, rollback read-new", n.Value)
	}
	return ""
}

// Problems are those of an error of Load or Parse; nil: it is another error.
func Problems(err error) []Problem {
	var e *ProblemError
	if errors.As(err, &e) {
		return e.Problems
	}
	return nil
}
