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
	for _, s := range h.numbers() {
		h.c.WriteString("STAT " + s.name + " " + s.value + crlf)
	}
	return h.answer("END\r\n")
}

type stat struct{ name, value string }

// numbers are what stats tell.
func (h *handler) numbers() []stat {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return []stat{
		{"pid", n(int64(os.Getpid()))},
		{"uptime", n(int64(time.Since(started) / time.Second))},
		{"time", n(h.c.Options.Now().Unix())},
		{"pointer_size", n(strconv.IntSize)},
		{"limit_maxbytes", n(0)},
		{"version", h.p.version[len("VERSION ") : len(h.p.version)-len(crlf)]},
	}
}
