// Package clock follows how far a server's clock stands from ours, so that a
// deadline can be sent to it, and read from it, as a moment and not as a time
// left: what a call waits in a queue, or a busy server takes to read its socket,
// then moves no deadline.
//
//	var c clock.Clock
//	sent := time.Now()
//	server := … // ask the server for its time
//	c.Note(server, time.Microsecond, sent, time.Now())
//	there := c.There(deadline) // to send
//	here := c.Here(there)      // of what was read: deadline again
//
// The server answered at some moment between sent and got, so each answer
// bounds the difference; bounds are intersected, and the quickest of the
// answers decides. Standard library alone.
package clock

import (
	"sync"
	"time"
)

// drift is how much two clocks may go apart in a second: crystals stay within
// 100 millionths, and a clock that is being slewed within 500.
const drift = 600 * time.Microsecond

// Clock is one server's. The zero value knows nothing; it is safe for
// concurrent use.
type Clock struct {
	mu     sync.Mutex // guards all
	known  bool
	lo, hi time.Duration // the server's clock less ours lies between
	at     time.Time     // when that was so
}

// Note takes an answer of the server: its time when it answered, rounded down
// to the unit; sent and got are ours, before the question and after the answer.
func (c *Clock) Note(server time.Time, unit time.Duration, sent, got time.Time) {
	// Without their monotonic part: it is the wall clock that deadlines are of.
	lo, hi := server.Sub(got.Round(0)), server.Add(unit).Sub(sent.Round(0))
	if lo > hi {
		return // our clock was set back meanwhile
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		wider := time.Duration(got.Sub(c.at).Seconds() * float64(drift))
		was, most := c.lo-wider, c.hi+wider
		if was <= hi && lo <= most {
			lo, hi = max(lo, was), min(hi, most)
		} // else one of the clocks was set: what it was before counts no more
	}
	c.known, c.lo, c.hi, c.at = true, lo, hi, got
}

// There is a moment of ours by the server's clock: not earlier, and later by
// no more than Doubt.
func (c *Clock) There(t time.Time) time.Time { return t.Add(c.ahead()) }

// Here is a moment of the server's clock by ours: what There gave comes back
// exactly, as long as no better answer came in between.
func (c *Clock) Here(t time.Time) time.Time { return t.Add(-c.ahead()) }

// ahead is the upper bound: nothing that is sent with it ends early.
func (c *Clock) ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hi
}

// Doubt is how far There may be off; ok is false before the first answer.
func (c *Clock) Doubt() (d time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hi - c.lo, c.known
}
