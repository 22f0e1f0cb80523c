package memcached

import (
	"math"
	"time"
)

// relativeMax is the longest exptime that memcached takes as seconds from now;
// a greater one is an absolute Unix time (protocol.txt, "Expiration times").
const relativeMax = 60 * 60 * 24 * 30

// tick is how far the server's clock may have advanced within its second: what
// is given to it as n seconds lives between n-1 and n.
const tick = time.Second

// exptime is memcached's number for a deadline: 0 for never, -1 for one that is
// past. It is rounded up to whole seconds, and one more for the tick: nothing
// ends before its deadline, and nothing two seconds after it. Beyond 30 days it
// is a time of the server's calendar, which stands up to one second beside ours
// on the same machine (it counts whole seconds since its start); there the tick
// would only add to that.
func exptime(deadline, now time.Time) int64 {
	if deadline.IsZero() {
		return 0
	}
	left := deadline.Sub(now)
	if left <= 0 {
		return -1
	}
	if left <= (relativeMax-1)*time.Second {
		return int64((left + tick + time.Second - 1) / time.Second)
	}
	unix := deadline.Unix()
	if deadline.Nanosecond() > 0 {
		unix++
	}
	return min(unix, math.MaxInt32) // the server reads 32 bits
}

// lifetime is memcached's number for something of ours that lives for ttl, at
// least for one second.
func lifetime(ttl time.Duration, now time.Time) int64 {
	return exptime(now.Add(max(ttl, time.Millisecond)), now)
}

// deadlineOf is the deadline of a session of which the server said, when it was
// asked at now or after, that it lives for left more seconds: what the answer took
// on its way makes it no later. The session really ends up to one second later; what exptime
// added for the tick is taken off again, so that the deadline that a client
// asked for is met within one second, whether it was stored by us (never
// early) or by the client itself (never late).
func deadlineOf(left int64, now time.Time) (deadline time.Time, unknown bool) {
	switch {
	case left == leftNever:
		return time.Time{}, false
	case left < 0:
		return time.Time{}, true
	}
	rest := max(time.Duration(left)*time.Second-tick, tick/2) // it does live
	return now.Add(rest).Truncate(time.Millisecond).UTC(), false
}
