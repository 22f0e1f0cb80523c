package memcached

import (
	"context"
	"math"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// write carries out one storing command.
type write func(*handler, context.Context, kinds.Ref, backends.Session) error

// store reads `<key> <flags> <exptime> <bytes> [noreply]` and the data block.
func (h *handler) store(ctx context.Context, words []word, do write) error {
	if len(words) != 4 && len(words) != 5 {
		h.answer(wrong)
		return frontends.ErrFraming
	}
	h.silence(words)
	size, ok := number(words[3], 0, math.MaxInt32-2)
	if !ok {
		h.answer(badLine)
		return frontends.ErrFraming
	}
	var s backends.Session
	okFlags, okTime := false, false
	s.Flags, okFlags = flags(words[1])
	s.Deadline, okTime = exptime(words[2], h.c.Options.Now())
	var r kinds.Ref
	problem := badLine
	if okFlags && okTime {
		r, problem = h.resolve(words[0])
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
	block, err := h.c.Bytes(int(size) + len(crlf))
	if err != nil {
		return err
	}
	if string(block[size:]) != crlf {
		h.answer(badChunk)
		return frontends.ErrFraming
	}
	s.Data = block[:size:size]
	return do(h, ctx, r, s)
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

func (h *handler) set(ctx context.Context, r kinds.Ref, s backends.Session) error {
	if r.Lock {
		return h.reject(isLock)
	}
	if err := h.s.Set(ctx, r, s); err != nil {
		return h.fail(err, r)
	}
	return h.answer("STORED\r\n")
}

func (h *handler) add(ctx context.Context, r kinds.Ref, s backends.Session) error {
	var stored bool
	var err error
	if !r.Lock {
		stored, err = h.s.Add(ctx, r, s)
	} else {
		var ttl time.Duration // 0 for an exptime of 0: the client names no end
		if !s.Deadline.IsZero() {
			if ttl = s.Deadline.Sub(h.c.Options.Now()); ttl <= 0 {
				return h.reject(isLock)
			}
		}
		stored, err = h.s.Lock(ctx, r, kinds.Owner{Client: string(s.Data), Conn: h.c.Number}, ttl)
		if stored {
			h.c.Locked(ttl)
		}
	}
	switch {
	case err != nil:
		return h.fail(err, r)
	case stored:
		return h.answer("STORED\r\n")
	}
	return h.answer("NOT_STORED\r\n")
}
