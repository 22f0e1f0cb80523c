package redis

import "context"

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
