package kinds

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// pattern is a name with a hole for the id: fixed text before and after, and
// what the id may be. A class with a quantifier, as nearly every id is, is
// matched by a table; anything else by its regular expression.
type pattern struct {
	prefix, suffix string
	expr           string // the id's expression
	class          *[256]bool
	least, most    int            // length of the id when class is set; most -1: no limit
	re             *regexp.Regexp // anchored; nil when class is set
}

// hole finds {id} or {id: expression}. Other braces are text: a Redis Cluster
// tag may stand around the id.
func hole(text string) (prefix, expr, suffix string, err error) {
	at := -1
	for i := range len(text) {
		if strings.HasPrefix(text[i:], "{id}") || strings.HasPrefix(text[i:], "{id:") {
			if at >= 0 {
				return "", "", "", fmt.Errorf("%q has two ids: accepted is one {id}", text)
			}
			at = i
		}
	}
	if at < 0 {
		return "", "", "", fmt.Errorf("%q has no id: accepted is fixed text with one {id} or {id: expression}", text)
	}
	rest := text[at+len("{id"):]
	end, depth, class := -1, 1, false
	for i := 0; i < len(rest) && end < 0; i++ {
		switch c := rest[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				end = i
			}
		}
	}
	if end < 0 {
		return "", "", "", fmt.Errorf("%q: the brace of {id does not close", text)
	}
	return text[:at], strings.TrimSpace(strings.TrimPrefix(rest[:end], ":")), rest[end+1:], nil
}

// compile reads a pattern; def is the expression of an {id} without one.
func compile(text, def string) (*pattern, error) {
	prefix, expr, suffix, err := hole(text)
	if err != nil {
		return nil, err
	}
	if expr == "" {
		expr = def
	}
	if expr == "" {
		return nil, fmt.Errorf("%q: nothing says what an id is: give the first key an expression, such as {id: [A-Za-z0-9,-]+}", text)
	}
	for i := range len(prefix + suffix) {
		if c := (prefix + suffix)[i]; c <= ' ' || c == 0x7f {
			return nil, fmt.Errorf("%q: a name cannot hold spaces or control bytes", text)
		}
	}
	p := &pattern{prefix: prefix, suffix: suffix, expr: expr}
	re, err := regexp.Compile(`^(?:` + expr + `)$`)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if re.MatchString("") {
		return nil, fmt.Errorf("%q: an id cannot be empty: use + in place of *", text)
	}
	if !p.table(expr) {
		re.Longest()
		p.re = re
	}
	return p, nil
}

// table compiles a class with a quantifier; false if expr is something else.
func (p *pattern) table(expr string) bool {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return false
	}
	p.least, p.most = 1, 1
	switch re.Op {
	case syntax.OpPlus:
		p.most, re = -1, re.Sub[0]
	case syntax.OpRepeat:
		p.least, p.most, re = re.Min, re.Max, re.Sub[0]
	}
	var class [256]bool
	switch re.Op {
	case syntax.OpCharClass:
	case syntax.OpAnyCharNotNL:
		re = &syntax.Regexp{Rune: []rune{0, '\n' - 1, '\n' + 1, 0x10ffff}}
	default:
		return false
	}
	high := false
	for i := 0; i+1 < len(re.Rune); i += 2 {
		lo, hi := re.Rune[i], re.Rune[i+1]
		if hi >= 128 {
			// A byte is a rune below 128 only. All the runes above, any number
			// of them, are any bytes above; less than that is for regexp.
			if lo > 128 || hi != 0x10ffff || p.least > 1 || p.most >= 0 {
				return false
			}
			high = true
		}
		for r := lo; r <= min(hi, 127); r++ {
			class[r] = true
		}
	}
	for b := 128; b < 256; b++ {
		class[b] = high
	}
	p.class = &class
	return true
}

// match gives the id that the name holds.
func (p *pattern) match(name string) (id string, ok bool) {
	n := len(name) - len(p.prefix) - len(p.suffix)
	if n < 1 || name[:len(p.prefix)] != p.prefix || name[len(name)-len(p.suffix):] != p.suffix {
		return "", false
	}
	id = name[len(p.prefix) : len(p.prefix)+n]
	if p.class == nil {
		return id, p.re.MatchString(id)
	}
	if n < p.least || p.most >= 0 && n > p.most {
		return "", false
	}
	for i := range len(id) {
		if !p.class[id[i]] {
			return "", false
		}
	}
	return id, true
}

// name puts an id into the hole.
func (p *pattern) name(id string) string { return p.prefix + id + p.suffix }

// fixed is the length of the fixed text: longer is tried first.
func (p *pattern) fixed() int { return len(p.prefix) + len(p.suffix) }

// overlaps tells whether some name may match both, as far as can be told
// without looking into regular expressions.
func (p *pattern) overlaps(q *pattern) bool {
	if !strings.HasPrefix(p.prefix, q.prefix) && !strings.HasPrefix(q.prefix, p.prefix) ||
		!strings.HasSuffix(p.suffix, q.suffix) && !strings.HasSuffix(q.suffix, p.suffix) {
		return false
	}
	if p.class == nil || q.class == nil || p.prefix != q.prefix || p.suffix != q.suffix {
		return true
	}
	if p.most >= 0 && p.most < q.least || q.most >= 0 && q.most < p.least {
		return false
	}
	for b := range p.class {
		if p.class[b] && q.class[b] {
			return true
		}
	}
	return false
}
