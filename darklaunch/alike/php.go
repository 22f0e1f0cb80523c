package alike

import (
	"bytes"
	"strconv"
)

// php reads what PHP's serialize and session_encode write (php-src,
// ext/standard/var_unserializer.re; tried with PHP 8.2).
type php struct {
	tree
	data []byte
	at   int
}

func parsePHP(data []byte, session bool) (*tree, bool) {
	p := &php{data: data}
	if !session {
		if !p.value(nil, -1, 0, new(int32)) || p.at != len(data) {
			return nil, false
		}
		return &p.tree, true
	}
	root := p.add(node{kind: unordered, tag: '|'}, -1, 0)
	tail := int32(0)
	for p.at < len(data) {
		bar := bytes.IndexByte(data[p.at:], '|')
		if bar <= 0 {
			return nil, false
		}
		key := data[p.at : p.at+bar]
		p.at += bar + 1
		if !p.value(append([]byte{'s'}, key...), root, 1, &tail) {
			return nil, false
		}
	}
	return &p.tree, true
}

// value reads one value into a container. PHP numbers all but R: for references.
func (p *php) value(key []byte, up int32, depth int, tail *int32) bool {
	if depth > depthMost || p.at+1 >= len(p.data) {
		return false
	}
	n := node{tag: p.data[p.at], key: key}
	p.at++
	put := func() int32 {
		*tail = p.add(n, up, *tail)
		if n.tag != 'R' {
			p.slots = append(p.slots, *tail)
		}
		return *tail
	}
	if n.tag == 'N' {
		if !p.is(';') {
			return false
		}
		put()
		return true
	}
	if !p.is(':') {
		return false
	}
	var ok bool
	switch n.tag {
	case 'b', 'i', 'd':
		if n.text, ok = p.until(';'); !ok || !number(n.tag, n.text) {
			return false
		}
	case 'R', 'r':
		text, ok := p.until(';')
		ref, err := strconv.ParseInt(string(text), 10, 64)
		if !ok || err != nil || ref < 1 {
			return false
		}
		n.kind, n.ref = reference, ref
	case 's', 'E':
		if n.text, ok = p.text(); !ok || !p.is(';') {
			return false
		}
	case 'a':
		n.kind = ordered
		count, ok := p.count()
		return ok && p.is('{') && p.inside(put(), count, depth)
	case 'O':
		n.kind = unordered
		if n.text, ok = p.text(); !ok || !p.is(':') {
			return false
		}
		count, ok := p.count()
		return ok && p.is('{') && p.inside(put(), count, depth)
	case 'C': // C:4:"Name":5:{bytes}
		begin := p.at
		if _, ok = p.text(); !ok || !p.is(':') {
			return false
		}
		length, ok := p.length()
		if !ok || !p.is('{') || length > len(p.data)-p.at {
			return false
		}
		p.at += length
		if !p.is('}') {
			return false
		}
		n.text, p.opaque = p.data[begin:p.at], true
	default:
		return false
	}
	put()
	return true
}

// inside reads the values of a container.
func (p *php) inside(up int32, count, depth int) bool {
	tail := int32(0)
	for range count {
		key, ok := p.key()
		if !ok || !p.value(key, up, depth+1, &tail) {
			return false
		}
	}
	return p.is('}')
}

// key is of an int or a string, its letter first.
func (p *php) key() (key []byte, ok bool) {
	if p.at+2 > len(p.data) || p.data[p.at+1] != ':' {
		return nil, false
	}
	tag := p.data[p.at]
	p.at += 2
	switch tag {
	case 'i':
		if key, ok = p.until(';'); !ok || !number(tag, key) {
			return nil, false
		}
	case 's':
		if key, ok = p.text(); !ok || !p.is(';') {
			return nil, false
		}
	default:
		return nil, false
	}
	return append([]byte{tag}, key...), true
}

// text is 5:"bytes", whatever the bytes are.
func (p *php) text() ([]byte, bool) {
	length, ok := p.length()
	if !ok || !p.is('"') || length > len(p.data)-p.at {
		return nil, false
	}
	text := p.data[p.at : p.at+length]
	p.at += length
	return text, p.is('"')
}

// length is a decimal number and a colon.
func (p *php) length() (int, bool) {
	text, ok := p.until(':')
	if !ok || len(text) == 0 || len(text) > 10 || !digits(text) {
		return 0, false
	}
	n, err := strconv.Atoi(string(text))
	return n, err == nil
}

// count is a length of so many pairs, which take 6 bytes each at least (i:0;N;).
func (p *php) count() (int, bool) {
	n, ok := p.length()
	return n, ok && n <= (len(p.data)-p.at)/6
}

func (p *php) until(end byte) ([]byte, bool) {
	// The longest float has 24 characters; a search to the end for each value
	// would not be linear.
	rest := p.data[p.at:min(len(p.data), p.at+40)]
	i := bytes.IndexByte(rest, end)
	if i < 0 {
		return nil, false
	}
	p.at += i + 1
	return rest[:i], true
}

func (p *php) is(c byte) bool {
	if p.at >= len(p.data) || p.data[p.at] != c {
		return false
	}
	p.at++
	return true
}

// number tells whether text is a value of b:, i: or d:.
func number(tag byte, text []byte) bool {
	switch tag {
	case 'b':
		return string(text) == "0" || string(text) == "1"
	case 'd':
		switch string(text) {
		case "INF", "-INF", "NAN":
			return true
		}
		_, err := strconv.ParseFloat(string(text), 64)
		return err == nil || len(text) > 0 && digits(text)
	}
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		text = text[1:]
	}
	return len(text) > 0 && digits(text)
}

func digits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
