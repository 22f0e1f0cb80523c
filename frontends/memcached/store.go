package memcached

import (
	"context"
	"math"

	"github.com/seed-41165957/crossfade/frontends"
)

// store reads `<key> <flags> <exptime> <bytes> [<cas>] [noreply]` and the data
// block: set, add, replace, append, prepend and cas.
func (h *handler) store(ctx context.Context, words []word, m mode, compare bool) error {
	most := 4
	if compare {
		most = 5
	}
	if len(words) != most && len(words) != most+1 {
		h.answer(wrong)
		return frontends.ErrFraming
	}
	h.silence(words)
	size, ok := number(words[3], 0, math.MaxInt32-2)
	if !ok {
		h.answer(badLine)
		return frontends.ErrFraming
	}
	st := storing{mode: m, compare: compare}
	okFlags, okTime, okCas := false, false, true
	st.s.Flags, okFlags = flags(words[1])
	st.s.Deadline, okTime = exptime(words[2], h.c.Options.Now())
	if compare {
		st.cas, okCas = unsigned(words[4])
	}
	problem := badLine
	if okFlags && okTime && okCas {
		st.r, problem = h.resolve(words[0])
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
	data, err := h.block(int(size))
	if err != nil {
		return err
	}
	st.s.Data = data
	return h.storeAnswer(ctx, &st)
}

// storeAnswer carries it out, and answers in ASCII.
func (h *handler) storeAnswer(ctx context.Context, st *storing) error {
	v, problem, err := h.carryOut(ctx, st)
	switch {
	case problem != "":
		return h.reject(problem)
	case err != nil:
		return h.fail(err, st.r)
	}
	switch v {
	case done:
		return h.answer("STORED\r\n")
	case differs:
		return h.answer("EXISTS\r\n")
	case none:
		return h.answer("NOT_FOUND\r\n")
	case tooLong:
		return h.answer(tooLarge)
	}
	return h.answer("NOT_STORED\r\n")
}

// carryOut is keep, of a session or a lock.
func (h *handler) carryOut(ctx context.Context, st *storing) (v verdict, problem string, err error) {
	if !st.r.Lock {
		v, err = h.keep(ctx, st)
		return v, "", err
	}
	v, ok, err := h.lockKeep(ctx, st)
	if !ok {
		problem = isLock
	}
	return v, problem, err
}

// block reads a data block and what ends it.
func (h *handler) block(size int) ([]byte, error) {
	b, err := h.c.Bytes(size + len(crlf))
	if err != nil {
		return nil, err
	}
	if string(b[size:]) != crlf {
		h.answer(badChunk)
		return nil, frontends.ErrFraming
	}
	return b[:size:size], nil
}

// swallow reads a data block away, so that nobody takes it for commands.
func (h *handler) swallow(size int) error {
	if err := h.c.Discard(size); err != nil {
		return err
	}
	end, err := h.c.Bytes(len(crlf))
	if err != nil {
		return err
	}
	if string(end) != crlf {
		h.answer(badChunk)
		return frontends.ErrFraming
	}
	return nil
}
