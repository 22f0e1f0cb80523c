package memcached

import (
	"context"
	"strconv"

	"github.com/seed-41165957/crossfade/backends"
)

// metaDebug is `me <key> [b]`, for people. Of what protocol.txt lists it tells
// what a session has in any store: exp (seconds left, -1 without end; left out
// where nobody knows), the token, and the bytes of the data. When it was read,
// and where in memory it lies, is no layer's to know.
func (h *handler) metaDebug(ctx context.Context, rest []byte) error {
	q := request{}
	if q.given, rest = next(rest); len(q.given) == 0 || len(q.given) > keyLimit {
		return h.answer(badLine)
	}
	q.key = q.given
	if w, _ := next(rest); string(w) == "b" && q.decode() != "" {
		return h.answer(badLine)
	}
	r, problem := h.resolve(q.key)
	if problem != "" {
		return h.reject(problem)
	}
	var s backends.Session
	var found bool
	var err error
	if !r.Lock {
		s, found, err = h.s.Read(ctx, r)
	}
	switch {
	case err != nil:
		return h.fail(err, r)
	case !found:
		return h.answer("EN\r\n")
	}
	b := append(append(h.c.Buffer(), "ME "...), q.key...)
	if !s.DeadlineUnknown {
		b = strconv.AppendInt(append(b, " exp="...), life(s.Deadline, h.c.Options.Now()), 10)
	}
	b = strconv.AppendUint(append(b, " cas="...), h.s.Token(s.Flags, s.Data), 10)
	b = strconv.AppendInt(append(b, " size="...), int64(len(s.Data)), 10)
	h.c.KeepBuffer(append(b, crlf...))
	return nil
}
