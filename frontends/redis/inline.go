package redis

import (
	"bytes"
	"errors"

	"github.com/seed-41165957/crossfade/frontends"
)

// inline reads a command that a person typed: words apart by spaces, quoted
// where need be (sdssplitargs of Redis).
func (h *handler) inline() error {
	line, err := h.c.Line()
	if errors.Is(err, frontends.ErrLine) {
		return h.broken("too big inline request")
	}
	if err != nil {
		return err
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
	arena := h.c.Bulk()
	for {
		for len(line) > 0 && space(line[0]) {
			line = line[1:]
		}
		if len(line) == 0 {
			break
		}
		if len(h.ends) == h.c.Options.Args {
			h.ends = h.ends[:0]
			h.fault(errArgs)
			break
		}
		var ok bool
		if arena, line, ok = unquote(arena, line); !ok {
			h.c.KeepBulk(arena)
			return h.broken("unbalanced quotes in request")
		}
		h.ends = append(h.ends, len(arena))
	}
	h.c.KeepBulk(arena)
	h.cut(arena)
	return nil
}

func space(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' || b == 0 }

// unquote appends the first word of a line to dst.
func unquote(dst, line []byte) (_, rest []byte, ok bool) {
	for len(line) > 0 && !space(line[0]) {
		b := line[0]
		line = line[1:]
		if b != '"' && b != '\'' {
			dst = append(dst, b)
			continue
		}
		if dst, line, ok = quoted(dst, line, b); !ok || len(line) > 0 && !space(line[0]) {
			return dst, nil, false
		}
		break
	}
	return dst, line, true
}

// quoted appends up to the closing quote.
func quoted(dst, line []byte, quote byte) (_, rest []byte, ok bool) {
	for len(line) > 0 {
		b := line[0]
		switch {
		case b == quote:
			return dst, line[1:], true
		case b != '\\' || len(line) == 1:
			dst, line = append(dst, b), line[1:]
		case quote == '\'':
			if line[1] == quote {
				line = line[1:]
			}
			dst, line = append(dst, line[0]), line[1:]
		case line[1] == 'x' && len(line) > 3 && hexDigit(line[2]) >= 0 && hexDigit(line[3]) >= 0:
			dst, line = append(dst, byte(hexDigit(line[2])<<4|hexDigit(line[3]))), line[4:]
		default:
			b = line[1]
			if i := bytes.IndexByte([]byte("nrtba"), b); i >= 0 {
				b = "\n\r\t\b\a"[i]
			}
			dst, line = append(dst, b), line[2:]
		}
	}
	return dst, nil, false
}

func hexDigit(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return int(b|0x20-'a') + 10
	}
	return -1
}
