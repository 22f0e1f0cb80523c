package memcached

import (
	"context"
	"strconv"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// touch is `touch <key> <exptime> [noreply]`.
func (h *handler) touch(ctx context.Context, words []word) error {
	if len(words) != 2 && len(words) != 3 {
		return h.answer(wrong)
	}
	h.silence(words)
	if len(words[0]) > keyLimit { // memcached looks at it before the time
		return h.answer(badLine)
	}
	deadline, ok := exptime(words[1], h.c.Options.Now())
	if !ok {
		return h.answer(badExptime)
	}
	r, problem := h.resolve(words[0])
	if problem == "" && r.Lock {
		problem = isLock
	}
	if problem != "" {
		return h.reject(problem)
	}
	found, err := h.move(ctx, r, deadline)
	switch {
	case err != nil:
		return h.fail(err, r)
	case found:
		return h.answer("TOUCHED\r\n")
	}
	return h.answer("NOT_FOUND\r\n")
}

// move touches. Into the past it is a delete: nobody may find the session
// again, as after a logout.
func (h *handler) move(ctx context.Context, r kinds.Ref, deadline time.Time) (bool, error) {
	if ended(deadline, h.c.Options.Now()) {
		return h.s.Delete(ctx, r)
	}
	return h.s.Touch(ctx, r, deadline)
}

// delete is `delete <key> [0] [noreply]`: the 0 is from a time when a delete
// could wait, and python-memcached still sends it.
func (h *handler) delete(ctx context.Context, words []word) error {
	if len(words) < 1 || len(words) > 3 {
		return h.answer(wrong)
	}
	if len(words) > 1 {
		h.silence(words)
		zero := string(words[1]) == "0"
		if len(words) == 2 && !zero && !h.quiet || len(words) == 3 && (!zero || !h.quiet) {
			return h.answer(badDelete)
		}
	}
	r, problem := h.resolve(words[0])
	if problem != "" {
		return h.reject(problem)
	}
	v, err := h.removeAny(ctx, r, false, 0)
	switch {
	case err != nil:
		return h.fail(err, r)
	case v == done:
		return h.answer("DELETED\r\n")
	}
	return h.answer("NOT_FOUND\r\n")
}

// removeAny is remove, of a session or a lock.
func (h *handler) removeAny(ctx context.Context, r kinds.Ref, compare bool, cas uint64) (verdict, error) {
	if r.Lock {
		return h.unlock(ctx, r)
	}
	return h.remove(ctx, r, compare, cas)
}

// increase is `incr <key> <delta> [noreply]`, and decr. A lock has no number:
// php-memcache asks for one and, as there is none, adds it.
func (h *handler) increase(ctx context.Context, words []word, down bool) error {
	if len(words) != 2 && len(words) != 3 {
		return h.answer(wrong)
	}
	h.silence(words)
	if len(words[0]) > keyLimit { // memcached looks at it before the delta
		return h.answer(badLine)
	}
	delta, ok := unsigned(words[1])
	if !ok {
		return h.answer(badDelta)
	}
	r, problem := h.resolve(words[0])
	if problem != "" {
		return h.reject(problem)
	}
	if r.Lock {
		return h.answer("NOT_FOUND\r\n")
	}
	v, n, _, _, err := h.count(ctx, counting{r: r, down: down, delta: delta})
	switch {
	case err != nil:
		return h.fail(err, r)
	case v == none:
		return h.answer("NOT_FOUND\r\n")
	case v == noNumber:
		return h.answer(nonNumeric)
	}
	return h.answer(strconv.FormatUint(n, 10) + crlf)
}
