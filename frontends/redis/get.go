package redis

import (
	"context"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// lookup reads one session; a lock is missing.
func (h *handler) lookup(ctx context.Context, r kinds.Ref) (backends.Session, bool, error) {
	if r.Lock {
		return backends.Session{}, false, nil
	}
	return h.s.Get(ctx, r)
}

func (h *handler) get(ctx context.Context) error {
	r, ok := h.resolve(h.args[1])
	if !ok {
		return nil
	}
	s, found, err := h.lookup(ctx, r)
	if err != nil {
		return h.fail(err, r)
	}
	return h.value(s.Data, found)
}

func (h *handler) strlen(ctx context.Context) error {
	r, ok := h.resolve(h.args[1])
	if !ok {
		return nil
	}
	s, _, err := h.lookup(ctx, r)
	if err != nil {
		return h.fail(err, r)
	}
	return h.number(':', int64(len(s.Data)))
}

// getrange is `GETRANGE key first last`: from byte to byte, both of them too, and
// negative ones from the end.
func (h *handler) getrange(ctx context.Context) error {
	first, ok1 := integer(h.args[2])
	last, ok2 := integer(h.args[3])
	if !ok1 || !ok2 {
		return h.fault(errInteger)
	}
	r, ok := h.resolve(h.args[1])
	if !ok {
		return nil
	}
	s, _, err := h.lookup(ctx, r)
	if err != nil {
		return h.fail(err, r)
	}
	return h.bulk(within(s.Data, first, last))
}

// within is getrangeCommand of t_string.c.
func within(b []byte, first, last int64) []byte {
	size := int64(len(b))
	if first < 0 && last < 0 && first > last {
		return nil
	}
	if first < 0 {
		first = max(0, size+first)
	}
	if last < 0 {
		last = max(0, size+last)
	}
	if last = min(last, size-1); first > last {
		return nil
	}
	return b[first : last+1]
}

// typeOf is `TYPE key`: a session is a string.
func (h *handler) typeOf(ctx context.Context) error {
	r, ok := h.resolve(h.args[1])
	if !ok {
		return nil
	}
	_, found, err := h.lookup(ctx, r)
	switch {
	case err != nil:
		return h.fail(err, r)
	case found:
		return h.simple("+string\r\n")
	}
	return h.simple("+none\r\n")
}

// refs resolves all arguments that are keys; not ok: it has been answered, and
// nothing done.
func (h *handler) refs() (refs []kinds.Ref, ok bool) {
	refs = make([]kinds.Ref, 0, len(h.args)-1)
	for _, key := range h.args[1:] {
		r, ok := h.resolve(key)
		if !ok {
			return nil, false
		}
		refs = append(refs, r)
	}
	return refs, true
}

// mget answers all values or one error: an error among values is not what
// clients look for there. Where too much has been sent to take it back, the
// connection ends.
func (h *handler) mget(ctx context.Context) error {
	refs, ok := h.refs()
	if !ok {
		return nil
	}
	mark := h.c.Hold()
	defer h.c.Release()
	h.number('*', int64(len(refs)))
	for _, r := range refs {
		s, found, err := h.lookup(ctx, r)
		switch {
		case err != nil && !h.c.Undo(mark):
			return err
		case err != nil:
			return h.fail(err, r)
		}
		h.value(s.Data, found)
	}
	return nil
}

// exists is EXISTS and TOUCH, which differ in a use that nobody is told of here.
func (h *handler) exists(ctx context.Context) error {
	refs, ok := h.refs()
	if !ok {
		return nil
	}
	n := int64(0)
	for _, r := range refs {
		_, found, err := h.lookup(ctx, r)
		if err != nil {
			return h.fail(err, r)
		}
		if found {
			n++
		}
	}
	return h.number(':', n)
}
