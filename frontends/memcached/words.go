package memcached

import (
	"math"
	"time"
)

// next cuts the first word from a line. Words are apart by spaces alone.
func next(line []byte) (w word, rest []byte) {
	for len(line) > 0 && line[0] == ' ' {
		line = line[1:]
	}
	n := 0
	for n < len(line) && line[n] != ' ' {
		n++
	}
	return line[:n], line[n:]
}

// split gives the words of a line, wordLimit at most: more than any command
// has. They are valid until the next command, and no longer than the line.
func (h *handler) split(line []byte) []word {
	n := 0
	for n < len(h.words) {
		var w word
		if w, line = next(line); len(w) == 0 {
			break
		}
		h.words[n] = w
		n++
	}
	return h.words[:n]
}

// valid tells whether a key may be one: protocol.txt, "Keys".
func valid(key word) bool {
	if len(key) == 0 || len(key) > keyLimit {
		return false
	}
	for _, b := range key {
		if b <= ' ' || b == 0x7f {
			return false
		}
	}
	return true
}

// number reads a decimal number with an optional sign, between low and high.
func number(w word, low, high int64) (n int64, ok bool) {
	neg := false
	if len(w) > 1 && (w[0] == '-' || w[0] == '+') {
		neg, w = w[0] == '-', w[1:]
	}
	if len(w) == 0 {
		return 0, false
	}
	for _, b := range w {
		if b < '0' || b > '9' || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = 10*n + int64(b-'0')
	}
	if neg {
		n = -n
	}
	return n, n >= low && n <= high
}

// flags reads a client's 32 bits: no sign but plus.
func flags(w word) (uint32, bool) {
	if len(w) > 0 && w[0] == '-' {
		return 0, false
	}
	n, ok := number(w, 0, math.MaxUint32)
	return uint32(n), ok
}

// relativeLimit is REALTIME_MAXDELTA of memcached.h, 30 days in seconds: up to
// it an exptime counts from now, beyond it from 1970.
const relativeLimit = 60 * 60 * 24 * 30

// exptimeLimit is the end of the year 9999. memcached's is 2038 or 2106.
const exptimeLimit = 253402300799

// past is a deadline that is past on any clock.
var past = time.Unix(1, 0).UTC()

// exptime reads when a session ends.
func exptime(w word, now time.Time) (time.Time, bool) {
	n, ok := number(w, math.MinInt64, exptimeLimit)
	return moment(n, now), ok
}

// moment is when an exptime is: protocol.txt, "Expiration times".
func moment(n int64, now time.Time) time.Time {
	switch {
	case n == 0:
		return time.Time{}
	case n < 0:
		return past
	case n <= relativeLimit:
		return now.Add(time.Duration(n) * time.Second).UTC()
	}
	return time.Unix(n, 0).UTC()
}

// ended tells whether a deadline is past.
func ended(deadline, now time.Time) bool { return !deadline.IsZero() && !deadline.After(now) }
