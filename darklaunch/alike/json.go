package alike

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// js reads JSON (RFC 8259).
type js struct {
	tree
	data []byte
	at   int
}

func parseJSON(data []byte) (*tree, bool) {
	p := &js{data: data}
	if !p.value(nil, -1, 0, new(int32)) {
		return nil, false
	}
	p.space()
	return &p.tree, p.at == len(data)
}

func (p *js) value(key []byte, up int32, depth int, tail *int32) bool {
	p.space()
	if depth > depthMost || p.at >= len(p.data) {
		return false
	}
	n := node{tag: p.data[p.at], key: key}
	switch n.tag {
	case '{', '[':
		if n.kind = ordered; n.tag == '{' {
			n.kind = unordered
		}
		p.at++
		*tail = p.add(n, up, *tail)
		return p.inside(*tail, n.tag, depth)
	case '"':
		text, ok := p.text()
		if !ok {
			return false
		}
		n.text = text
	default:
		begin := p.at
		for p.at < len(p.data) && bytes.IndexByte([]byte(" \t\r\n,]}"), p.data[p.at]) < 0 {
			p.at++
		}
		// A number by its text (1 is not 1.0), or true, false, null.
		if n.text = p.data[begin:p.at]; len(n.text) > 400 || !json.Valid(n.text) {
			return false
		}
		n.tag = '0'
	}
	*tail = p.add(n, up, *tail)
	return true
}

func (p *js) inside(up int32, open byte, depth int) bool {
	end, tail := byte(']'), int32(0)
	if open == '{' {
		end = '}'
	}
	if p.space(); p.is(end) {
		return true
	}
	for {
		var key []byte
		if open == '{' {
			p.space()
			text, ok := p.text()
			if p.space(); !ok || !p.is(':') {
				return false
			}
			key = append([]byte{'s'}, text...)
		}
		if !p.value(key, up, depth+1, &tail) {
			return false
		}
		if p.space(); p.is(end) {
			return true
		}
		if !p.is(',') {
			return false
		}
	}
}

// text is a string with its escapes taken back: "é" may be written in two ways.
// One that is no text (a lone half of a surrogate pair, broken UTF-8) stays as it
// is written.
func (p *js) text() ([]byte, bool) {
	if !p.is('"') {
		return nil, false
	}
	begin, escaped := p.at, false
	for ; p.at < len(p.data) && p.data[p.at] != '"'; p.at++ {
		switch {
		case p.data[p.at] == '\\':
			escaped = true
			p.at++
		case p.data[p.at] < ' ':
			return nil, false
		}
	}
	if !p.is('"') {
		return nil, false
	}
	raw := p.data[begin : p.at-1]
	if !escaped {
		return raw, true
	}
	var text string
	if json.Unmarshal(p.data[begin-1:p.at], &text) != nil {
		return nil, false
	}
	if !utf8.Valid(raw) || bytes.ContainsRune([]byte(text), utf8.RuneError) {
		return raw, true
	}
	return []byte(text), true
}

func (p *js) space() {
	for p.at < len(p.data) && (p.data[p.at] == ' ' || p.data[p.at] == '\t' || p.data[p.at] == '\n' || p.data[p.at] == '\r') {
		p.at++
	}
}

func (p *js) is(c byte) bool {
	if p.at >= len(p.data) || p.data[p.at] != c {
		return false
	}
	p.at++
	return true
}
