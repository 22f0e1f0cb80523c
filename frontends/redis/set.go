package redis

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// set is `SET key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]`.
func (h *handler) set(ctx context.Context) error {
	var o options
	if !o.read(h.args[3:], false) {
		return h.fault(errSyntax)
	}
	var deadline time.Time
	if o.unit != "" {
		var problem string
		if deadline, problem = h.deadline("set", o.unit, o.value); problem != "" {
			return h.fault(problem)
		}
	}
	switch {
	case o.xx || o.keep || o.get:
		return h.setIf(ctx, o, deadline)
	case !o.nx:
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

// setIf is a SET that looks at what is there. With GET it answers that, whether
// it stored or not.
func (h *handler) setIf(ctx context.Context, o options, deadline time.Time) error {
	r, ok := h.session(h.args[1])
	if !ok {
		return nil
	}
	var was backends.Session
	var found, stored bool
	err := h.s.Edit(ctx, r, func(s backends.Session, there bool) (edit.Change, error) {
		was, found = s, there
		if stored = !(o.nx && there || o.xx && !there); !stored {
			return edit.Leave(), nil
		}
		next := backends.Session{Data: h.args[2], Deadline: deadline}
		if o.keep && there {
			next.Deadline, next.DeadlineUnknown = s.Deadline, s.DeadlineUnknown
		}
		return edit.Write(next), nil
	})
	switch {
	case err != nil:
		return h.fail(err, r)
	case o.get:
		return h.value(was.Data, found)
	case !stored:
		return h.null()
	}
	return h.ok()
}

// getset is `GETSET key value`: a SET with GET.
func (h *handler) getset(ctx context.Context) error {
	return h.setIf(ctx, options{get: true}, time.Time{})
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
