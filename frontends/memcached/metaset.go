package memcached

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
)

// metaSet is `ms <key> <datalen> <flags>*`.
func (h *handler) metaSet(ctx context.Context, q *request, rest []byte) error {
	w, rest := next(rest)
	size, ok := number(w, 0, math.MaxInt32-2)
	if !ok {
		h.answer(badLine)
		return frontends.ErrFraming
	}
	st := storing{mode: setMode}
	problem := h.parse(q, rest)
	if problem == "" {
		problem = h.unsupportedFlag(q, 's')
	}
	if problem == "" {
		problem = st.fromFlags(q, h.c.Options.Now())
	}
	if problem == "" {
		st.r, problem = h.resolve(q.key)
	}
	if problem == "" && int(size) > h.c.Options.Value {
		problem = tooLarge
	}
	if problem != "" {
		if err := h.swallow(int(size)); err != nil {
			return err
		}
		return h.reject(problem)
	}
	// The flags lie in the buffer that the data is read into.
	h.keepFlags(q)
	data, err := h.block(int(size))
	if err != nil {
		return err
	}
	st.s.Data = data
	v, problem, err := h.carryOut(ctx, &st)
	switch {
	case problem != "":
		return h.reject(problem)
	case err != nil:
		return h.fail(err, st.r)
	case v == tooLong:
		return h.answer(tooLarge)
	case v == done && q.quiet:
		return nil
	}
	return h.status(q, metaCodes[v], func(b []byte, letter byte) []byte {
		if letter != 'c' {
			return b
		}
		token := uint64(0)
		if v == done {
			token = h.s.Token(st.s.Flags, st.s.Data)
		}
		return strconv.AppendUint(append(b, " c"...), token, 10)
	})
}

var metaCodes = map[verdict]string{done: "HD", notStored: "NS", differs: "EX", none: "NF"}

// fromFlags is what the flags say of a storing command.
func (st *storing) fromFlags(q *request, now time.Time) (problem string) {
	st.compare, st.cas = q.compare, q.cas
	if w, ok := q.has('T'); ok {
		st.s.Deadline, _ = exptime(w, now)
	}
	if w, ok := q.has('F'); ok {
		st.s.Flags, _ = flags(w)
	}
	if w, ok := q.has('M'); ok {
		switch st.mode = mode(w[0]); st.mode {
		case setMode, addMode, replaceMode, appendMode, prependMode:
		default:
			return "CLIENT_ERROR invalid mode for ms M token\r\n"
		}
	}
	if st.cas == 0 && (st.mode == appendMode || st.mode == prependMode) {
		st.compare = false // as memcached
	}
	return ""
}

// keepFlags copies what the answer needs of the line.
func (h *handler) keepFlags(q *request) {
	h.kept = append(h.kept[:0], q.given...)
	n := len(h.kept)
	for _, f := range q.flags {
		if f.letter == 'O' {
			h.kept = append(h.kept, f.token...)
		}
	}
	q.given = h.kept[:n:n]
	for i := range q.flags {
		if q.flags[i].letter == 'O' {
			q.flags[i].token = h.kept[n:]
		} else {
			q.flags[i].token = nil
		}
	}
}
