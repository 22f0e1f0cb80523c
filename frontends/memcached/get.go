package memcached

import (
	"context"
	"strconv"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// reading is one of get, gets, gat and gats.
type reading struct {
	cas      bool // with a cas number
	touch    bool // move the deadline
	exact    bool // read the deadline too
	deadline time.Time
}

// get is `get <key>+` and gets.
func (h *handler) get(ctx context.Context, keys []byte, cas bool) error {
	if first, _ := next(keys); len(first) == 0 {
		return h.answer(wrong)
	}
	return h.read(ctx, keys, reading{cas: cas})
}

// getAndTouch is `gat <exptime> <key>*` and gats.
func (h *handler) getAndTouch(ctx context.Context, rest []byte, cas bool) error {
	w, keys := next(rest)
	if len(w) == 0 {
		return h.answer(wrong)
	}
	deadline, ok := exptime(w, h.c.Options.Now())
	if !ok {
		return h.answer(badExptime)
	}
	return h.read(ctx, keys, reading{cas: cas, touch: true, deadline: deadline})
}

// read answers the values of all keys. Clients cannot take an error in the
// middle of an answer, so one key that fails is the answer to all: it takes
// the place of what was written, or where that was too much to hold back, the
// connection ends.
func (h *handler) read(ctx context.Context, keys []byte, g reading) error {
	refs := h.refs[:0]
	for w, rest := next(keys); len(w) > 0; w, rest = next(rest) {
		r, problem := h.resolve(w)
		switch {
		case problem != "":
		case r.Lock && g.touch:
			problem = isLock
		case len(refs) == h.c.Options.Args:
			problem = tooMany
		}
		if problem != "" {
			return h.reject(problem)
		}
		refs = append(refs, r)
	}
	mark := int64(-1)
	if len(refs) > 1 {
		mark = h.c.Hold()
		defer h.c.Release()
	}
	for _, r := range refs {
		var key word
		key, keys = next(keys)
		s, found, err := h.lookup(ctx, r, g)
		if err != nil {
			if mark >= 0 && !h.c.Undo(mark) {
				return err
			}
			return h.fail(err, r)
		}
		if found {
			h.value(key, &s, g.cas)
		}
	}
	clear(refs) // they hold names
	if h.refs = refs; cap(refs) > keepRefs {
		h.refs = nil
	}
	return h.answer("END\r\n")
}

// keepRefs is how many keys a connection at rest keeps room for.
const keepRefs = 8

// lookup reads one session; a lock is a miss.
func (h *handler) lookup(ctx context.Context, r kinds.Ref, g reading) (backends.Session, bool, error) {
	switch {
	case r.Lock:
		return backends.Session{}, false, nil
	case !g.touch:
		return h.s.Get(ctx, r)
	case !ended(g.deadline, h.c.Options.Now()):
		// The touch comes first: what is then read lives that long.
		if found, err := h.s.Touch(ctx, r, g.deadline); !found || err != nil {
			return backends.Session{}, false, err
		}
		if g.exact {
			return h.s.Read(ctx, r)
		}
		return h.s.Get(ctx, r)
	}
	s, found, err := h.s.Get(ctx, r)
	if found && err == nil {
		_, err = h.s.Delete(ctx, r)
	}
	return s, found, err
}

// value writes `VALUE <key> <flags> <bytes> [<cas>]` and the data.
func (h *handler) value(key word, s *backends.Session, cas bool) {
	b := append(h.c.Buffer(), "VALUE "...)
	b = append(b, key...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(s.Flags), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(s.Data)), 10)
	if cas {
		b = append(b, ' ')
		b = strconv.AppendUint(b, h.s.Token(s.Flags, s.Data), 10)
	}
	h.c.KeepBuffer(append(b, crlf...))
	h.c.Write(s.Data)
	h.c.WriteString(crlf)
}
