package redis

import (
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
)

// getdel is `GETDEL key`.
func (h *handler) getdel(ctx context.Context) error {
	r, ok := h.session(h.args[1])
	if !ok {
		return nil
	}
	var was backends.Session
	var found bool
	err := h.s.Edit(ctx, r, func(s backends.Session, there bool) (edit.Change, error) {
		was, found = s, there
		return edit.Delete(), nil
	})
	if err != nil {
		return h.fail(err, r)
	}
	return h.value(was.Data, found)
}

// append is `APPEND key value`, which keeps what the session is beside its data.
func (h *handler) append(ctx context.Context) error {
	r, ok := h.session(h.args[1])
	if !ok {
		return nil
	}
	n := 0
	err := h.s.Edit(ctx, r, func(s backends.Session, found bool) (edit.Change, error) {
		if !found {
			s = backends.Session{}
		}
		if n = len(s.Data) + len(h.args[2]); n > h.c.Options.Value {
			return edit.Leave(), refusal(errSize)
		}
		s.Data = slices.Concat(s.Data, h.args[2])
		return edit.Write(s), nil
	})
	if err != nil {
		return h.fail(err, r)
	}
	return h.number(':', int64(n))
}

func (h *handler) incr(ctx context.Context) error { return h.count(ctx, 1) }
func (h *handler) decr(ctx context.Context) error { return h.count(ctx, -1) }

func (h *handler) incrby(ctx context.Context) error {
	n, ok := integer(h.args[2])
	if !ok {
		return h.fault(errInteger)
	}
	return h.count(ctx, n)
}

func (h *handler) decrby(ctx context.Context) error {
	n, ok := integer(h.args[2])
	switch {
	case !ok:
		return h.fault(errInteger)
	case n == math.MinInt64:
		return h.fault("ERR decrement would overflow")
	}
	return h.count(ctx, -n)
}

// count adds to a number, from 0 where there is none.
func (h *handler) count(ctx context.Context, delta int64) error {
	r, ok := h.session(h.args[1])
	if !ok {
		return nil
	}
	n := int64(0)
	err := h.s.Edit(ctx, r, func(s backends.Session, found bool) (edit.Change, error) {
		n = 0
		if !found {
			s = backends.Session{}
		} else if was, ok := integer(s.Data); ok {
			n = was
		} else {
			return edit.Leave(), refusal(errInteger)
		}
		if delta < 0 && n < math.MinInt64-delta || delta > 0 && n > math.MaxInt64-delta {
			return edit.Leave(), refusal(errOverflow)
		}
		n += delta
		s.Data = strconv.AppendInt(nil, n, 10)
		return edit.Write(s), nil
	})
	if err != nil {
		return h.fail(err, r)
	}
	return h.number(':', n)
}
