package memcached

import (
	"context"
	"strconv"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const unsaidLife = "SERVER_ERROR the store cannot say how long the session lives: ask without the flag t\r\n"

// metaGet is `mg <key> <flags>*`.
func (h *handler) metaGet(ctx context.Context, q *request) error {
	token, touch := q.has('T')
	if q.r.Lock {
		if touch {
			return h.reject(isLock)
		}
		return h.metaMiss(q)
	}
	var deadline time.Time
	if touch {
		deadline, _ = exptime(token, h.c.Options.Now())
	}
	_, exact := q.has('t')
	s, found, err := h.metaRead(ctx, q, exact, touch, deadline)
	switch {
	case err != nil:
		return h.fail(err, q.r)
	case !found:
		return h.metaMiss(q)
	case exact && s.DeadlineUnknown:
		return h.answer(unsaidLife)
	}
	code := "HD"
	_, value := q.has('v')
	if value {
		code = "VA " + strconv.Itoa(len(s.Data))
	}
	h.status(q, code, func(b []byte, letter byte) []byte { return h.metaValue(b, letter, &s) })
	if value {
		h.c.Write(s.Data)
		h.c.WriteString(crlf)
	}
	return nil
}

func (h *handler) metaMiss(q *request) error {
	if q.quiet {
		return nil
	}
	return h.status(q, "EN", nil)
}

// metaRead reads, and touches. A t that stands before the T tells the life that
// the session had.
func (h *handler) metaRead(ctx context.Context, q *request, exact, touch bool, deadline time.Time) (backends.Session, bool, error) {
	read := h.s.Get
	if exact {
		read = h.s.Read
	}
	if !touch {
		return read(ctx, q.r)
	}
	before := exact
	for _, f := range q.flags {
		if f.letter == 't' || f.letter == 'T' {
			before = f.letter == 't'
			break
		}
	}
	if !before && !ended(deadline, h.c.Options.Now()) {
		return h.lookup(ctx, q.r, reading{touch: true, deadline: deadline, exact: exact})
	}
	s, found, err := read(ctx, q.r)
	if err != nil || !found {
		return s, found, err
	}
	_, err = h.move(ctx, q.r, deadline)
	if !before {
		s.Deadline, s.DeadlineUnknown = deadline, false
	}
	return s, true, err
}

// metaValue appends what a flag asks of a session.
func (h *handler) metaValue(b []byte, letter byte, s *backends.Session) []byte {
	switch letter {
	case 'c':
		return strconv.AppendUint(append(b, " c"...), h.s.Token(s.Flags, s.Data), 10)
	case 'f':
		return strconv.AppendUint(append(b, " f"...), uint64(s.Flags), 10)
	case 's':
		return strconv.AppendInt(append(b, " s"...), int64(len(s.Data)), 10)
	case 't':
		return strconv.AppendInt(append(b, " t"...), life(s.Deadline, h.c.Options.Now()), 10)
	}
	return b
}

// lifeSlack is what a store may add to a deadline: 100 s and a part of a
// millisecond are 100 to a client.
const lifeSlack = 10 * time.Millisecond

// life is how long until a deadline in whole seconds, rounded up; -1: for ever.
func life(deadline, now time.Time) int64 {
	left := deadline.Sub(now)
	switch {
	case deadline.IsZero():
		return -1
	case left <= 0:
		return 0
	}
	return max(1, int64((left-lifeSlack+time.Second-1)/time.Second))
}

// metaDelete is `md <key> <flags>*`.
func (h *handler) metaDelete(ctx context.Context, q *request) error {
	v, err := h.removeAny(ctx, q.r, q.compare, q.cas)
	switch {
	case err != nil:
		return h.fail(err, q.r)
	case q.quiet && v == done:
		return nil
	}
	return h.status(q, metaCodes[v], nil)
}

// metaCount is `ma <key> <flags>*`. A cas of 0 compares nothing.
func (h *handler) metaCount(ctx context.Context, q *request) error {
	c := counting{r: q.r, delta: 1, compare: q.cas != 0, cas: q.cas}
	now := h.c.Options.Now()
	if w, ok := q.has('M'); ok {
		switch w[0] {
		case 'I', '+':
		case 'D', '-':
			c.down = true
		default:
			return h.answer("CLIENT_ERROR invalid mode for ma M token\r\n")
		}
	}
	if w, ok := q.has('D'); ok {
		c.delta, _ = unsigned(w)
	}
	if w, ok := q.has('J'); ok {
		c.initial, _ = unsigned(w)
	}
	if w, ok := q.has('N'); ok {
		c.create = true
		c.until, _ = exptime(w, now)
	}
	if w, ok := q.has('T'); ok {
		c.touch = true
		c.deadline, _ = exptime(w, now)
	}
	_, c.exact = q.has('t')
	if q.r.Lock {
		if c.create {
			return h.reject(isLock)
		}
		return h.status(q, "NF", nil)
	}
	v, n, s, made, err := h.count(ctx, c)
	switch {
	case err != nil:
		return h.fail(err, q.r)
	case v == noNumber:
		return h.answer(nonNumeric)
	case v == noLife:
		return h.answer(unsaidLife)
	case v != done:
		return h.status(q, metaCodes[v], nil)
	case q.quiet && !made:
		return nil
	}
	number := strconv.FormatUint(n, 10)
	code := "HD"
	_, value := q.has('v')
	if value {
		code = "VA " + strconv.Itoa(len(number))
	}
	h.status(q, code, func(b []byte, letter byte) []byte {
		if letter == 'c' || letter == 't' {
			return h.metaValue(b, letter, &s)
		}
		return b
	})
	if value {
		h.c.WriteString(number + crlf)
	}
	return nil
}
