package memcached

import (
	"math"
	"os"
	"strconv"
	"time"
)

// started is when the program came up.
var started = time.Now()

// verbosity is `verbosity <level> [noreply]`; it changes nothing.
func (h *handler) verbosity(words []word) error {
	if len(words) != 1 && len(words) != 2 {
		return h.answer(wrong)
	}
	h.silence(words)
	if _, ok := number(words[0], 0, math.MaxUint32); !ok {
		return h.answer(badLine)
	}
	return h.answer("OK\r\n")
}

// stats answers what clients and their health checks look for. What the agent
// does is in its metrics.
func (h *handler) stats(words []word) error {
	if len(words) > 0 {
		switch string(words[0]) {
		case "reset":
			return h.answer("RESET\r\n")
		case "items", "slabs", "sizes", "settings", "conns":
			return h.answer("END\r\n") // connect-memcached asks for items
		}
		return h.answer(wrong)
	}
	now := h.c.Options.Now()
	for _, s := range []struct {
		name  string
		value int64
	}{
		{"pid", int64(os.Getpid())},
		{"uptime", int64(time.Since(started) / time.Second)},
		{"time", now.Unix()},
		{"pointer_size", strconv.IntSize},
		{"limit_maxbytes", 0},
	} {
		h.c.WriteString("STAT " + s.name + " " + strconv.FormatInt(s.value, 10) + crlf)
	}
	h.c.WriteString("STAT version " + h.p.version[len("VERSION "):])
	return h.answer("END\r\n")
}
