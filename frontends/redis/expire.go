package redis

import (
	"context"
	"math"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
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

func (h *handler) expire(ctx context.Context) error    { return h.move(ctx, "expire", "ex") }
func (h *handler) pexpire(ctx context.Context) error   { return h.move(ctx, "pexpire", "px") }
func (h *handler) expireat(ctx context.Context) error  { return h.move(ctx, "expireat", "exat") }
func (h *handler) pexpireat(ctx context.Context) error { return h.move(ctx, "pexpireat", "pxat") }

// terms are on what an EXPIRE depends: that the session has a deadline or none,
// an earlier or a later one.
type terms struct{ nx, xx, gt, lt bool }

// read reads them as Redis does (expire.c, parseExtendedExpireArgumentsOrReply).
func (t *terms) read(args [][]byte) (problem string) {
	for _, arg := range args {
		switch word(arg) {
		case "nx":
			t.nx = true
		case "xx":
			t.xx = true
		case "gt":
			t.gt = true
		case "lt":
			t.lt = true
		default:
			return "ERR Unsupported option " + harmless(arg)
		}
	}
	switch {
	case t.nx && (t.xx || t.gt || t.lt):
		return "ERR NX and XX, GT or LT options at the same time are not compatible"
	case t.gt && t.lt:
		return "ERR GT and LT options at the same time are not compatible"
	}
	return ""
}

// hold tells whether a deadline may take the place of what is there. None is
// later than any.
func (t terms) hold(was, at time.Time) bool {
	switch none := was.IsZero(); {
	case t.nx && !none, t.xx && none:
		return false
	case t.gt && (none || at.UnixMilli() <= was.UnixMilli()):
		return false
	case t.lt && !none && at.UnixMilli() >= was.UnixMilli():
		return false
	}
	return true
}

// move is `EXPIRE key time [NX|XX|GT|LT]`. Into the past it is a delete.
func (h *handler) move(ctx context.Context, name, unit string) error {
	var t terms
	if len(h.args) > 3 {
		if problem := t.read(h.args[3:]); problem != "" {
			return h.fault(problem)
		}
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
	at := time.UnixMilli(min(ms, lastMilli)).UTC()
	var moved bool
	var err error
	switch {
	case t != terms{}:
		moved, err = h.moveIf(ctx, r, t, at)
	case ms <= h.now().UnixMilli():
		moved, err = h.s.Delete(ctx, r)
	default:
		moved, err = h.s.Touch(ctx, r, at)
	}
	if err != nil {
		return h.fail(err, r)
	}
	return h.truth(moved)
}

// moveIf moves a deadline on terms. Where no store knows the one that is there,
// nothing can be said of it.
func (h *handler) moveIf(ctx context.Context, r kinds.Ref, t terms, at time.Time) (moved bool, err error) {
	err = h.s.Edit(ctx, r, func(s backends.Session, found bool) (edit.Change, error) {
		moved = false
		switch {
		case !found:
			return edit.Leave(), nil
		case s.DeadlineUnknown:
			return edit.Leave(), refusal(errUnknown)
		case !t.hold(s.Deadline, at):
			return edit.Leave(), nil
		}
		moved = true
		return edit.Touch(at), nil
	})
	return moved, err
}

// persist is `PERSIST key`: no deadline any more, where there was one.
func (h *handler) persist(ctx context.Context) error {
	r, ok := h.session(h.args[1])
	if !ok {
		return nil
	}
	moved, err := h.moveIf(ctx, r, terms{xx: true}, time.Time{})
	if err != nil {
		return h.fail(err, r)
	}
	return h.truth(moved)
}

// getex is `GETEX key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]`: a GET that moves the
// deadline. Redis looks at the time only when the session is there.
func (h *handler) getex(ctx context.Context) error {
	var o options
	if !o.read(h.args[2:], true) {
		return h.fault(errSyntax)
	}
	if o.unit == "" && !o.persist {
		return h.get(ctx)
	}
	r, ok := h.session(h.args[1])
	if !ok {
		return nil
	}
	var was backends.Session
	var found bool
	err := h.s.Edit(ctx, r, func(s backends.Session, there bool) (edit.Change, error) {
		was, found = s, there
		if !there || o.persist {
			return edit.Touch(time.Time{}), nil
		}
		at, problem := h.deadline("getex", o.unit, o.value)
		if problem != "" {
			return edit.Leave(), refusal(problem)
		}
		return edit.Touch(at), nil
	})
	if err != nil {
		return h.fail(err, r)
	}
	return h.value(was.Data, found)
}
