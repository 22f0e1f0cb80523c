package flags

import (
	"fmt"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Elsewhere is a definition of the flag that was made elsewhere: flagd's JSON
// with the flag crossfade-stage, and without our epoch in the flag set's
// metadata. It says which sessions it would have in mirror or further; more it
// may not do (see Foreign, which is the same of a provider). It is immutable and
// safe for concurrent use.
type Elsewhere struct {
	data   []byte
	seed   bucketer
	total  uint64
	spans  []raised // in the order of the definition
	beyond bool     // what no span holds: the default variant's
}

// raised is the share below end, out of total, that no earlier one holds.
type raised struct {
	end uint64
	up  bool // it is mirror or further
}

// madeElsewhere tells whether bytes are such a definition: an object whose
// metadata has no epoch.
func madeElsewhere(data []byte) bool {
	root, bad := readNode(data)
	if bad != nil || root.kind != "object" || root.fields["flags"] == nil {
		return false
	}
	m := root.fields["metadata"]
	return m == nil || m.fields["epoch"] == nil
}

// parseElsewhere reads a definition that was made elsewhere. Of flagd's format it
// takes what is needed to know a session's variant by its targeting key alone:
// fractional with its weights, or no targeting. Other flags and metadata are
// left aside. What it cannot know it refuses as a whole: half a definition would
// be another one.
func parseElsewhere(data []byte) (*Elsewhere, error) {
	if len(data) > MaxFile {
		return nil, &ProblemError{Problems: []Problem{{0, "/", fmt.Sprintf("%d bytes: accepted are up to %d", len(data), MaxFile)}}}
	}
	root, bad := readNode(data)
	if bad != nil {
		return nil, &ProblemError{Problems: []Problem{*bad}}
	}
	p := &elsewhereParser{parser: parser{lines: map[string]int{}}}
	e := &Elsewhere{data: data}
	if f := root.fields["flags"]; f == nil || f.fields[Key] == nil {
		p.bad(root, "no flag %s: accepted is flagd's JSON with it", Key)
	} else {
		p.flag(f.fields[Key], e)
	}
	if len(p.problems) > 0 {
		return nil, fmt.Errorf("made elsewhere (no epoch in metadata): %w", &ProblemError{Problems: p.problems})
	}
	return e, nil
}

type elsewhereParser struct {
	parser
	up map[string]bool // by variant
}

func (p *elsewhereParser) flag(n *node, e *Elsewhere) {
	s, v := n.fields["state"], n.fields["variants"]
	if s == nil || s.text != "ENABLED" && s.text != "DISABLED" {
		p.bad(n, "state: accepted are ENABLED and DISABLED")
	}
	if v == nil || v.kind != "object" || len(v.keys) == 0 {
		p.bad(n, "variants: accepted is an object with a text for each")
		return
	}
	p.up = map[string]bool{}
	for _, name := range v.keys {
		at, _ := p.position(v.fields[name])
		p.up[name] = at != position.Off
	}
	if d := n.fields["defaultVariant"]; d != nil && d.kind != "null" { // none: the program's own default, which is our revision
		e.beyond = p.variant(d)
	}
	t := n.fields["targeting"]
	switch {
	case len(p.problems) > 0:
	case s.text == "DISABLED": // flagd then gives the program's own default
		e.beyond = false
	case t == nil || t.kind == "null" || t.kind == "object" && len(t.keys) == 0:
	case t.kind == "object" && len(t.keys) == 1 && t.fields["fractional"] != nil:
		p.fractional(t.fields["fractional"], e)
	default:
		p.bad(t, "accepted is fractional alone, or nothing: an agent knows of a session its targeting key, and no attributes")
	}
}

func (p *elsewhereParser) variant(n *node) bool {
	up, known := p.up[n.text]
	if n.kind != "string" || !known {
		p.bad(n, "%q is none of its variants", n.text)
	}
	return up
}

// mostTotal bounds the sum of weights, as flagd does (core 0.15: MaxInt32).
const mostTotal = 1<<31 - 1

func (p *elsewhereParser) fractional(n *node, e *Elsewhere) {
	items, seed := n.items, Key
	if len(items) > 0 && items[0].kind == "object" {
		seed = p.elsewhereSeed(items[0])
		items = items[1:]
	}
	if len(items) == 0 {
		p.bad(n, "accepted are [variant, weight] …")
	}
	for _, it := range items {
		if it.kind != "array" || len(it.items) < 1 || len(it.items) > 2 {
			p.bad(it, "accepted is [variant, weight]")
			continue
		}
		w := int64(1)
		if len(it.items) == 2 {
			w = p.integer(it.items[1], 0, mostTotal)
		}
		e.total += uint64(w)
		e.spans = append(e.spans, raised{e.total, p.variant(it.items[0])})
	}
	if e.total > mostTotal {
		p.bad(n, "weights add up to %d: accepted are up to %d", e.total, mostTotal)
	}
	e.seed = newBucketer(seed)
}

// elsewhereSeed reads what is hashed: texts, at last the targeting key.
func (p *elsewhereParser) elsewhereSeed(n *node) string {
	var seed strings.Builder
	parts := []*node{n}
	if cat := n.fields["cat"]; len(n.keys) == 1 && cat != nil && cat.kind == "array" {
		parts = cat.items
	}
	for i, part := range parts {
		v := part.fields["var"]
		isVar := len(part.keys) == 1 && v != nil && v.kind == "string"
		if isVar && v.text == "targetingKey" && i == len(parts)-1 {
			return seed.String()
		}
		if isVar && v.text == "$flagd.flagKey" {
			seed.WriteString(Key)
		} else if part.kind == "string" {
			seed.WriteString(part.text)
		} else {
			break
		}
	}
	p.bad(n, `accepted is { "cat": [texts …, { "var": "targetingKey" }] }, or nothing`)
	return ""
}

// raises tells whether the definition has a session in mirror or further.
func (e *Elsewhere) raises(h *Hash) bool {
	if e.total == 0 {
		return e.beyond
	}
	at := uint64(e.seed.sum(h)) * e.total >> 32
	for i := range e.spans {
		if at < e.spans[i].end {
			return e.spans[i].up
		}
	}
	return e.beyond
}
