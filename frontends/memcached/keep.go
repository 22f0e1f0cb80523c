package memcached

import (
	"bytes"
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// mode is how a storing command stores: the modes of the meta command ms.
type mode byte

const (
	setMode     mode = 'S'
	addMode     mode = 'E'
	replaceMode mode = 'R'
	appendMode  mode = 'A'
	prependMode mode = 'P'
)

// storing is one command that stores, of any of the protocols.
type storing struct {
	mode    mode
	r       kinds.Ref
	s       backends.Session // append and prepend: Data alone
	compare bool             // store only what cas is the token of
	cas     uint64
}

// verdict is what became of a command.
type verdict uint8

const (
	done      verdict = iota
	notStored         // the condition of add, replace, append or prepend does not hold
	differs           // the session is not what cas says
	none              // there is none
	noNumber          // the session is no number
	tooLong           // of append and prepend
	noLife            // nobody knows how long the session lives, and the client asks
)

// keep carries out a storing command. st.s is what was stored, afterwards.
//
// What is not an edit allocates nothing: st does not reach a closure.
func (h *handler) keep(ctx context.Context, st *storing) (verdict, error) {
	switch {
	case st.mode == setMode && !st.compare:
		return done, h.s.Set(ctx, st.r, st.s)
	case st.mode == addMode: // a cas does not count: there is nothing to compare
		stored, err := h.s.Add(ctx, st.r, st.s)
		if !stored {
			return notStored, err
		}
		return done, err
	}
	with := *st
	v, err := h.keepIf(ctx, &with)
	st.s = with.s
	return v, err
}

// keepIf stores on a condition, or what is made of what was there.
func (h *handler) keepIf(ctx context.Context, st *storing) (v verdict, err error) {
	given := st.s
	err = h.s.Edit(ctx, st.r, func(s backends.Session, found bool) (edit.Change, error) {
		st.s = given
		switch {
		case !found && (st.mode == setMode || st.mode == replaceMode && st.compare):
			v = none
		case !found:
			v = notStored
		case st.compare && h.s.Token(s.Flags, s.Data) != st.cas:
			v = differs
		default:
			v = done
			if st.mode == appendMode || st.mode == prependMode {
				if len(s.Data)+len(given.Data) > h.c.Options.Value {
					v = tooLong
					return edit.Leave(), nil
				}
				st.s = s
				st.s.Data = join(st.mode, s.Data, given.Data)
			}
			return edit.Write(st.s), nil
		}
		return edit.Leave(), nil
	})
	return v, err
}

func join(m mode, was, more []byte) []byte {
	if m == prependMode {
		was, more = more, was
	}
	return bytes.Join([][]byte{was, more}, nil)
}

// remove deletes; where compare is set, only what cas is the token of.
func (h *handler) remove(ctx context.Context, r kinds.Ref, compare bool, cas uint64) (v verdict, err error) {
	if !compare {
		found, err := h.s.Delete(ctx, r)
		if !found {
			v = none
		}
		return v, err
	}
	err = h.s.Edit(ctx, r, func(s backends.Session, found bool) (edit.Change, error) {
		switch {
		case !found:
			v = none
		case h.s.Token(s.Flags, s.Data) != cas:
			v = differs
		default:
			v = done
			return edit.Delete(), nil
		}
		return edit.Leave(), nil
	})
	return v, err
}

// lockKeep is a storing command to a lock's name. An add asks for the lock, and
// a set of "0" gives it back, as php-memcache does. ok is false for what a lock
// does not take.
func (h *handler) lockKeep(ctx context.Context, st *storing) (v verdict, ok bool, err error) {
	now := h.c.Options.Now()
	switch {
	case st.mode == setMode && !st.compare && string(st.s.Data) == "0":
		_, err := h.unlock(ctx, st.r)
		return done, true, err // memcached would store it, whoever holds the lock
	case st.mode != addMode || st.compare || ended(st.s.Deadline, now):
		return done, false, nil
	}
	var ttl time.Duration // 0 for an exptime of 0: the client names no end
	if !st.s.Deadline.IsZero() {
		ttl = st.s.Deadline.Sub(now)
	}
	granted, err := h.s.Lock(ctx, st.r, kinds.Owner{Client: string(st.s.Data), Conn: h.c.Number}, ttl)
	if !granted {
		return notStored, true, err
	}
	h.c.Locked(ttl)
	return done, true, nil
}

func (h *handler) unlock(ctx context.Context, r kinds.Ref) (verdict, error) {
	released, err := h.s.Unlock(ctx, r, kinds.Owner{Conn: h.c.Number})
	h.c.Unlocked()
	if !released {
		return none, err
	}
	return done, err
}
