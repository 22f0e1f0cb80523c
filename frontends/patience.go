package frontends

import "time"

// patience is a deadline of a socket that moves with each request. To move it
// costs more than the rest of a request's clock together, so it is set for a
// half more than is asked for, and moved only when less than that is left.
type patience struct{ until time.Time }

// renew gives the deadline to set, if one is to be set: at least long from now,
// and at most half as much more. Without an end (long is negative) it is set
// once, to none.
func (p *patience) renew(now time.Time, long time.Duration) (until time.Time, set bool) {
	if long <= 0 {
		set = p.until.IsZero()
		p.until = now
		return time.Time{}, set
	}
	if p.until.Sub(now) >= long {
		return time.Time{}, false
	}
	p.until = now.Add(long + long/2)
	return p.until, true
}

// clock tells the time since a moment: one look at the machine's clock, where
// time.Now takes two.
type clock struct{ from time.Time }

func (c clock) now() time.Time { return c.from.Add(time.Since(c.from)) }
