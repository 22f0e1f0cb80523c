package redis

import (
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Ends of a session as the scripts take them; any other is a moment of the
// server's clock, in ms since 1970.
const (
	endNever = 0
	endPast  = -1
	// endKept is the end that the session has, to the millisecond: what is read as
	// the time left and written again would creep, once for each edit.
	endKept = -2
)

// past tells whether a session with this deadline is missing at once.
func past(deadline time.Time) bool { return !deadline.IsZero() && !deadline.After(time.Now()) }

// end is a deadline by the server's clock, rounded up so that a session never
// ends early; endNever without one, endPast where it has passed. (Redis refuses
// a time that is not positive, and a client may take 0 for "never".)
func (n *node) end(deadline time.Time) int64 {
	switch {
	case deadline.IsZero():
		return endNever
	case past(deadline):
		return endPast
	}
	there := n.clock.There(deadline)
	ms := there.UnixMilli()
	if there.Nanosecond()%1e6 > 0 {
		ms++
	}
	return max(ms, 1)
}

// set adds a plain SET of a session that ends at a moment that end gave, not
// endPast. Before 6.2 there is no PXAT: then it is the time left until then,
// taken now.
func (n *node) set(c *call, name string, data []byte, end int64) {
	switch {
	case end == endNever:
		c.cmd(3, "set").str(name).bytes(data)
	case n.moments.Load():
		c.cmd(5, "set").str(name).bytes(data).str("pxat").num(end)
	default:
		c.cmd(5, "set").str(name).bytes(data).str("px").num(max(end-n.clock.There(time.Now()).UnixMilli(), 1))
	}
}

// deadline is when a session ends of which the server said, at its time now,
// that it has ttl ms left.
func (n *node) deadline(now time.Time, ttl int64) time.Time {
	return n.clock.Here(time.UnixMilli(now.UnixMilli() + ttl)).UTC()
}

// noted hands what TIME has answered to the clock; sent is when it was asked.
func (n *node) noted(now time.Time, err error, sent time.Time) (time.Time, error) {
	if err == nil {
		n.clock.Note(now, time.Microsecond, sent, time.Now())
	}
	return now, err
}

// notedBy is noted of go-redis' answer.
func (n *node) notedBy(t *goredis.TimeCmd, sent time.Time) (time.Time, error) {
	now, err := t.Result()
	return n.noted(now, err, sent)
}

// meetTries and meetDoubt bound how often a new connection asks for the time: on
// a busy machine one answer may take as long as a copy may be off.
const (
	meetTries = 64
	meetDoubt = time.Millisecond
)

// meet learns of a server what sending deadlines needs, on a new connection. Lone
// questions bound its clock better than one among others.
func (n *node) meet(version string, ask func() (time.Time, error)) error {
	n.moments.Store(takesMoments(version))
	for range meetTries {
		if doubt, ok := n.clock.Doubt(); ok && doubt <= meetDoubt {
			return nil
		}
		sent := time.Now()
		now, err := ask()
		if _, err := n.noted(now, err, sent); err != nil {
			return err
		}
	}
	return nil
}

// takesMoments tells whether a server of this version has SET … PXAT; one that
// does not say is taken not to.
func takesMoments(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err == nil && err2 == nil && (a > 6 || a == 6 && b >= 2)
}
