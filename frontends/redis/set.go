package redis

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// setting is what the options of a SET say.
type setting struct {
	unit         string // ex, px, exat, pxat; empty: no deadline
	value        []byte
	nx, xx       bool
	keepTTL, old bool // KEEPTTL, GET
}

// units saves a string for each SET.
var units = map[string]string{"ex": "ex", "px": "px", "exat": "exat", "pxat": "pxat"}

// options reads those of a SET as Redis does (parseExtendedStringArguments).
func (g *setting) options(args [][]byte) bool {
	for i := 0; i < len(args); i++ {
		var space [24]byte
		switch opt := lower(&space, args[i]); string(opt) {
		case "nx":
			g.nx = true
		case "xx":
			g.xx = true
		case "get":
			g.old = true
		case "keepttl":
			g.keepTTL = true
		case "ex", "px", "exat", "pxat":
			if i++; i == len(args) || g.unit != "" && g.unit != string(opt) {
				return false
			}
			g.unit, g.value = units[string(opt)], args[i]
		default:
			return false
		}
	}
	return !(g.nx && g.xx) && !(g.keepTTL && g.unit != "")
}

// set is `SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`.
func (h *handler) set(ctx context.Context) error {
	var g setting
	if !g.options(h.args[3:]) {
		return h.fault(errSyntax)
	}
	var deadline time.Time
	if g.unit != "" {
		var problem string
		if deadline, problem = h.deadline("set", g.unit, g.value); problem != "" {
			return h.fault(problem)
		}
	}
	if g.xx || g.keepTTL || g.old {
		return h.unsupported(frontends.ClassOption, "ERR SET with XX, KEEPTTL or GET is not supported by crossfade: use EX or PX with the time that the session shall live, and GET by itself")
	}
	if !g.nx {
		return h.put(ctx, h.args[1], h.args[2], deadline)
	}
	stored, done := h.add(ctx, h.args[1], h.args[2], deadline)
	switch {
	case !done:
		return nil
	case stored:
		return h.ok()
	}
	return h.null()
}

func (h *handler) setnx(ctx context.Context) error {
	stored, done := h.add(ctx, h.args[1], h.args[2], time.Time{})
	if !done {
		return nil
	}
	return h.truth(stored)
}

func (h *handler) setex(ctx context.Context) error { return h.setFor(ctx, "setex", "ex") }

func (h *handler) psetex(ctx context.Context) error { return h.setFor(ctx, "psetex", "px") }

// setFor is `SETEX key time value`.
func (h *handler) setFor(ctx context.Context, name, unit string) error {
	deadline, problem := h.deadline(name, unit, h.args[2])
	if problem != "" {
		return h.fault(problem)
	}
	return h.put(ctx, h.args[1], h.args[3], deadline)
}

// put sets and answers.
func (h *handler) put(ctx context.Context, key, data []byte, deadline time.Time) error {
	r, ok := h.session(key)
	if !ok {
		return nil
	}
	if err := h.s.Set(ctx, r, backends.Session{Data: data, Deadline: deadline}); err != nil {
		return h.fail(err, r)
	}
	return h.ok()
}

// add stores where there is nothing, or takes a lock. Not done: it has been
// answered.
func (h *handler) add(ctx context.Context, key, data []byte, deadline time.Time) (stored, done bool) {
	r, ok := h.resolve(key)
	if !ok {
		return false, false
	}
	var err error
	if !r.Lock {
		stored, err = h.s.Add(ctx, r, backends.Session{Data: data, Deadline: deadline})
	} else {
		var ttl time.Duration // 0: the client names no end
		if !deadline.IsZero() {
			if ttl = deadline.Sub(h.now()); ttl <= 0 {
				h.unsupported(frontends.ClassLock, errLock)
				return false, false
			}
		}
		stored, err = h.s.Lock(ctx, r, kinds.Owner{Client: string(data), Conn: h.c.Number}, ttl)
		if stored {
			h.c.Locked(ttl)
		}
	}
	if err != nil {
		h.fail(err, r)
		return false, false
	}
	return stored, true
}
