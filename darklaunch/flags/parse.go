package flags

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// MaxFile is the largest definition that is read, in bytes.
const MaxFile = 16 << 20

// Parse reads and compiles a definition. It is strict: what it does not know
// it refuses, because a key that one version obeys and another overlooks would
// put two agents in different positions. The error is a *ProblemError with the
// line of each problem and what is accepted there.
func Parse(data []byte) (*Snapshot, error) {
	if len(data) > MaxFile {
		return nil, &ProblemError{Problems: []Problem{{0, "/", fmt.Sprintf("%d bytes: accepted are up to %d", len(data), MaxFile)}}}
	}
	root, bad := readNode(data)
	if bad != nil {
		return nil, &ProblemError{Problems: []Problem{*bad}}
	}
	p := &parser{lines: map[string]int{}}
	d := p.file(root)
	if len(p.problems) == 0 {
		// Only a definition that was read whole is checked as a whole.
		for _, pr := range d.problems() {
			pr.Line = p.lineOf(pr.Pointer)
			p.problems = append(p.problems, pr)
		}
	}
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, &ProblemError{Problems: p.problems}
	}
	return d.Compile()
}

type parser struct {
	problems []Problem
	lines    map[string]int
}

func (p *parser) bad(n *node, format string, args ...any) {
	ptr := n.ptr
	if ptr == "" {
		ptr = "/"
	}
	p.problems = append(p.problems, Problem{n.line, ptr, fmt.Sprintf(format, args...)})
}

// lineOf is the line of a pointer, or of the nearest that holds it.
func (p *parser) lineOf(ptr string) int {
	for ptr != "" {
		if l, ok := p.lines[ptr]; ok {
			return l
		}
		ptr = ptr[:strings.LastIndexByte(ptr, '/')]
	}
	return 1
}

// object checks that n is one, that the required keys are there, and that no
// other key is, except those that optional names or extra takes.
func (p *parser) object(n *node, required, optional []string, extra func(string) bool) bool {
	if n == nil {
		return false // its absence was reported
	}
	p.lines[n.ptr] = n.line
	if n.kind != "object" {
		p.bad(n, "a %s: accepted is an object", n.kind)
		return false
	}
	for _, k := range n.keys {
		p.lines[n.fields[k].ptr] = n.fields[k].line
		if !slices.Contains(required, k) && !slices.Contains(optional, k) && (extra == nil || !extra(k)) {
			p.bad(n.fields[k], "unknown key: accepted are %s", strings.Join(append(slices.Clone(required), optional...), ", "))
		}
	}
	for _, k := range required {
		if n.fields[k] == nil {
			p.bad(n, "%s is missing: accepted are %s", k, strings.Join(append(slices.Clone(required), optional...), ", "))
		}
	}
	return true
}

func (p *parser) file(n *node) (d Definition) {
	if !p.object(n, []string{"flags", "metadata"}, []string{"$schema"}, nil) {
		return d
	}
	if f := n.fields["flags"]; f != nil && p.object(f, []string{Key}, nil, nil) {
		p.flag(f.fields[Key], &d)
	}
	seed := d.Bucketing
	if m := n.fields["metadata"]; m != nil {
		p.metadata(m, &d)
		if b := m.fields["bucketing"]; b != nil && d.Bucketing != seed {
			p.bad(b, "%q, but targeting buckets by %q: accepted is one and the same (none: the flag's name)", d.Bucketing, seed)
		}
	}
	return d
}

func (p *parser) flag(n *node, d *Definition) {
	if !p.object(n, []string{"state", "variants", "defaultVariant", "targeting"}, nil, nil) {
		return
	}
	if s := n.fields["state"]; s != nil && (s.kind != "string" || s.text != "ENABLED") {
		p.bad(s, "%q: accepted is ENABLED; to take sessions back, lower the ramp", s.text)
	}
	if v := n.fields["variants"]; p.object(v, ladderNames(), nil, nil) {
		for _, k := range v.keys {
			if f := v.fields[k]; slices.Contains(ladderNames(), k) && (f.kind != "string" || f.text != k) {
				p.bad(f, "%q: accepted is %q, the variant's own name", f.text, k)
			}
		}
	}
	if v := n.fields["defaultVariant"]; v != nil {
		d.Default, _ = p.position(v)
	}
	if t := n.fields["targeting"]; p.object(t, []string{"fractional"}, nil, nil) {
		p.fractional(t.fields["fractional"], d)
	}
}

func ladderNames() []string {
	names := make([]string, len(Ladder))
	for i, p := range Ladder {
		names[i] = p.String()
	}
	return names
}

func (p *parser) fractional(n *node, d *Definition) {
	if n == nil {
		return
	}
	if n.kind != "array" {
		p.bad(n, "a %s: accepted is an array of [variant, weight]", n.kind)
		return
	}
	items := n.items
	if len(items) > 0 && items[0].kind == "object" {
		d.Bucketing = p.seed(items[0])
		items = items[1:]
	}
	if len(items) != len(Ladder) {
		p.bad(n, "%d variants: accepted are all seven, in the order %s", len(items), variantList)
		return
	}
	for i, it := range items {
		p.lines[fmt.Sprintf("%s/%d", ptrFractional, i)] = it.line
		if it.kind != "array" || len(it.items) != 2 {
			p.bad(it, `accepted is ["%v", weight]`, Ladder[i])
			continue
		}
		if at, ok := p.position(it.items[0]); ok && at != Ladder[i] {
			p.bad(it.items[0], "%v where %v stands: accepted is the order %s", at, Ladder[i], variantList)
		}
		d.Weights[Ladder[i]] = int(p.integer(it.items[1], 0, Buckets))
	}
}

// seed reads {"cat": ["<bucketing>", {"var": "targetingKey"}]}.
func (p *parser) seed(n *node) string {
	if cat := n.fields["cat"]; len(n.keys) == 1 && cat != nil && len(cat.items) == 2 {
		s, v := cat.items[0], cat.items[1]
		if name := v.fields["var"]; s.kind == "string" && s.text != "" && len(v.keys) == 1 && name != nil && name.text == "targetingKey" {
			return s.text
		}
	}
	p.bad(n, `accepted is { "cat": ["<bucketing>", { "var": "targetingKey" }] }, or nothing`)
	return ""
}

func (p *parser) metadata(n *node, d *Definition) {
	isPin := func(k string) bool { return strings.HasPrefix(k, pinPrefix) }
	if !p.object(n, []string{"migration", "epoch", "bucketing", "cutover_floor", "settled", "declared_down"},
		[]string{"keep_old", "only"}, isPin) {
		return
	}
	for _, k := range n.keys {
		v := n.fields[k]
		switch {
		case k == "migration":
			d.Migration = p.str(v)
		case k == "bucketing":
			d.Bucketing = p.str(v)
		case k == "epoch":
			d.Epoch = uint64(p.integer(v, 1, maxInt))
		case k == "cutover_floor":
			d.CutoverFloor = int(p.integer(v, 0, Buckets))
		case k == "settled":
			d.Settled = int(p.integer(v, 0, Buckets))
		case k == "declared_down":
			d.DeclaredDown = p.down(v)
		case k == "only":
			d.Only = strings.Split(p.str(v), ",")
		case k == "keep_old":
			d.KeepOld = v.text == "true"
			if v.kind != "boolean" {
				p.bad(v, "a %s: accepted are true and false", v.kind)
			}
		case isPin(k):
			p.pin(v, strings.TrimPrefix(k, pinPrefix), d)
		}
	}
}

func (p *parser) pin(v *node, name string, d *Definition) {
	h, err := ParseHash(name)
	if err != nil {
		// The name is not repeated: it may be a session id.
		v = &node{ptr: ptrMeta + "/" + pinPrefix + "…", line: v.line}
		p.bad(v, "not a session hash: accepted are pin. and 32 lower-case hex digits")
		return
	}
	if at, ok := p.position(v); ok {
		if d.Pins == nil {
			d.Pins = map[Hash]position.Position{}
		}
		d.Pins[h] = at
	}
}

func (p *parser) position(n *node) (position.Position, bool) {
	at, err := position.Parse(n.text)
	if n.kind != "string" || err != nil {
		p.bad(n, "unknown variant %q: accepted are %s", n.text, variantList)
		return 0, false
	}
	return at, true
}

func (p *parser) integer(n *node, lo, hi int64) int64 {
	v, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != "number" || err != nil || v < lo || v > hi {
		p.bad(n, "%q: accepted is an integer of %d to %d", n.text, lo, hi)
		return lo
	}
	return v
}

func (p *parser) str(n *node) string {
	if n.kind != "string" {
		p.bad(n, "a %s: accepted is a string", n.kind)
	}
	return n.text
}

func (p *parser) down(n *node) Down {
	for _, d := range []Down{NoneDown, OldDown, NewDown, OldDownLocks, OldRecovering} {
		if n.kind == "string" && n.text == d.String() {
			return d
		}
	}
	p.bad(n, `%q: accepted are "old", "new", "old-locks-in-new", "old-recovering" and ""`, n.text)
	return NoneDown
}
