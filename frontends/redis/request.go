package redis

import (
	"errors"

	"github.com/seed-41165957/crossfade/frontends"
)

// Limits of Redis's own (networking.c of 7.0), as far as Options has none.
const (
	bulkLimit  = 512 << 20 // proto-max-bulk-len: beyond it the framing is lost
	countLimit = 1 << 20   // of arguments that are read away
	// Before a client has given the password:
	strangerArgs = 10
	strangerBulk = 16 << 10
)

// read reads one command into h.args; none for an empty line. A problem is one
// with a command that was read to its end.
func (h *handler) read() (problem string, err error) {
	h.args, h.ends = h.args[:0], h.ends[:0]
	first, err := h.c.First()
	if err != nil {
		return "", err
	}
	if first != '*' {
		return "", h.inline()
	}
	count, ok, err := h.length("too big mbulk count string")
	switch {
	case err != nil:
		return "", err
	case !ok || count > countLimit:
		return "", h.broken("invalid multibulk length")
	case !h.authed && count > strangerArgs:
		return "", h.broken("unauthenticated multibulk length")
	case count <= 0:
		return "", nil
	}
	if count > int64(h.c.Options.Args) {
		problem = errArgs
	}
	arena := h.c.Bulk()
	for range count {
		b, err := h.c.First()
		if err != nil {
			return "", err
		}
		if b != '$' {
			return "", h.broken("expected '$', got '" + string(printable(b)) + "'")
		}
		size, ok, err := h.length("too big bulk count string")
		switch {
		case err != nil:
			return "", err
		case !ok || size < 0 || size > bulkLimit:
			return "", h.broken("invalid bulk length")
		case !h.authed && size > strangerBulk:
			return "", h.broken("unauthenticated bulk length")
		}
		n := int(size)
		if problem == "" && (n > h.c.Options.Value || len(arena)+n > h.c.Options.Value+h.c.Options.Line) {
			problem = errSize
		}
		if problem != "" {
			err = h.c.Discard(n)
		} else if arena, err = h.c.Append(arena, n); err == nil {
			h.ends = append(h.ends, len(arena))
		}
		if err != nil {
			return "", err
		}
		if end, err := h.c.Bytes(len(crlf)); err != nil {
			return "", err
		} else if string(end) != crlf {
			return "", h.broken("expected CRLF after a bulk")
		}
	}
	h.c.KeepBulk(arena)
	if problem == "" {
		h.cut(arena)
	}
	return problem, nil
}

// cut makes the arguments, which end at h.ends of the arena.
func (h *handler) cut(arena []byte) {
	start := 0
	for _, end := range h.ends {
		h.args = append(h.args, arena[start:end:end])
		start = end
	}
}

// length reads a line of a type byte and a number.
func (h *handler) length(long string) (n int64, ok bool, err error) {
	line, err := h.c.Line()
	if errors.Is(err, frontends.ErrLine) {
		return 0, false, h.broken(long)
	}
	if err != nil {
		return 0, false, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return 0, false, nil
	}
	n, ok = integer(line[1 : len(line)-2])
	return n, ok, nil
}

// broken answers what ends the connection.
func (h *handler) broken(what string) error {
	h.fault("ERR Protocol error: " + what)
	return frontends.ErrFraming
}

// integer reads a number as string2ll of Redis does: no plus, no leading zero.
func integer(b []byte) (n int64, ok bool) {
	neg := len(b) > 1 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 19 || b[0] == '0' && (len(b) > 1 || neg) {
		return 0, false
	}
	var u uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		u = 10*u + uint64(c-'0') // 19 digits fit
	}
	switch {
	case neg && u <= 1<<63:
		return -int64(u), true
	case !neg && u < 1<<63:
		return int64(u), true
	}
	return 0, false
}

func printable(b byte) byte {
	if b < ' ' || b >= 0x7f {
		return ' '
	}
	return b
}
