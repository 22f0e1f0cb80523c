package redis

import (
	"context"
	"math"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
)

// lastMilli is the end of the year 9999: later deadlines are taken as this, so
// that no store meets one that it cannot hold.
const lastMilli = 253402300799_999

// now is the clock in whole milliseconds, in which Redis counts.
func (h *handler) now() time.Time { return time.UnixMilli(h.c.Options.Now().UnixMilli()).UTC() }

// milli turns a time in a unit (ex, px, exat, pxat) into milliseconds since
// 1970. Times may be past; not ok: out of range.
func (h *handler) milli(unit string, n int64) (int64, bool) {
	if unit[0] == 'e' {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, false
		}
		n *= 1000
	}
	if len(unit) == 2 {
		now := h.now().UnixMilli()
		if n > math.MaxInt64-now {
			return 0, false
		}
		n += now
	}
	return n, true
}

// deadline reads the time of a SET, SETEX or PSETEX, which must not be zero or
// negative; problem is the answer otherwise.
func (h *handler) deadline(name, unit string, value []byte) (at time.Time, problem string) {
	n, ok := integer(value)
	if !ok {
		return at, errInteger
	}
	ms, ok := h.milli(unit, n)
	if !ok || n <= 0 {
		return at, "ERR invalid expire time in '" + name + "' command"
	}
	return time.UnixMilli(min(ms, lastMilli)).UTC(), ""
}

func (h *handler) expire(ctx context.Context) error    { return h.touch(ctx, "expire", "ex") }
func (h *handler) pexpire(ctx context.Context) error   { return h.touch(ctx, "pexpire", "px") }
func (h *handler) expireat(ctx context.Context) error  { return h.touch(ctx, "expireat", "exat") }
func (h *handler) pexpireat(ctx context.Context) error { return h.touch(ctx, "pexpireat", "pxat") }

// touch is `EXPIRE key time`. Into the past it is a delete.
func (h *handler) touch(ctx context.Context, name, unit string) error {
	for _, arg := range h.args[3:] {
		var space [24]byte
		switch string(lower(&space, arg)) {
		case "nx", "xx", "gt", "lt":
			return h.unsupported(frontends.ClassOption, "ERR NX, XX, GT and LT are not supported by crossfade: leave them out")
		}
		return h.fault("ERR Unsupported option " + harmless(arg))
	}
	n, ok := integer(h.args[2])
	if !ok {
		return h.fault(errInteger)
	}
	ms, ok := h.milli(unit, n)
	if !ok {
		return h.fault("ERR invalid expire time in '" + name + "' command")
	}
	r, ok := h.session(h.args[1])
	if !ok {
		return nil
	}
	var found bool
	var err error
	if ms <= h.now().UnixMilli() {
		found, err = h.s.Delete(ctx, r)
	} else {
		found, err = h.s.Touch(ctx, r, time.UnixMilli(min(ms, lastMilli)).UTC())
	}
	if err != nil {
		return h.fail(err, r)
	}
	return h.truth(found)
}

func (h *handler) ttl(ctx context.Context) error {
	return h.left(ctx, func(ms int64) int64 { return (ms + 500) / 1000 })
}

func (h *handler) pttl(ctx context.Context) error {
	return h.left(ctx, func(ms int64) int64 { return ms })
}

// left answers how long a session still lives: -1 for ever, -2 it is missing.
// Where the store cannot say, that is an error: -1 would be a lie.
func (h *handler) left(ctx context.Context, unit func(ms int64) int64) error {
	r, ok := h.resolve(h.args[1])
	if !ok {
		return nil
	}
	if r.Lock {
		return h.simple(":-2\r\n")
	}
	s, found, err := h.s.Read(ctx, r)
	switch {
	case err != nil:
		return h.fail(err, r)
	case !found:
		return h.simple(":-2\r\n")
	case s.DeadlineUnknown:
		return h.fault("ERR session store cannot say how long this session still lives: set or touch it, or ask again later")
	case s.Deadline.IsZero():
		return h.simple(":-1\r\n")
	}
	return h.number(':', unit(max(s.Deadline.Sub(h.now()).Milliseconds(), 0)))
}

// del is DEL and UNLINK: of sessions, and of locks, for which nobody's token is
// given.
func (h *handler) del(ctx context.Context) error {
	refs, ok := h.refs()
	if !ok {
		return nil
	}
	n := int64(0)
	for _, r := range refs {
		var found bool
		var err error
		if r.Lock {
			found, err = h.s.Unlock(ctx, r, h.owner(""))
			h.c.Unlocked()
		} else {
			found, err = h.s.Delete(ctx, r)
		}
		if err != nil {
			return h.fail(err, r)
		}
		if found {
			n++
		}
	}
	return h.number(':', n)
}
