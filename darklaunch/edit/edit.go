// Package edit is what a client asks of a session that it does not know: a
// write on a condition, or of what was read. Every such command of every
// protocol is one function:
//
//	n := uint64(0) // incr
//	err := door.Edit(ctx, ref, func(s backends.Session, found bool) (edit.Change, error) {
//		if !found {
//			return edit.Leave(), errMissing
//		}
//		n = 1 + number(s.Data)
//		s.Data = strconv.AppendUint(nil, n, 10)
//		return edit.Write(s), nil
//	})
//
// It promises that the change is made of what was read, and of nothing else: of
// two edits at once, through any agents, the second is asked again.
package edit

import (
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Func says what shall become of a session. It may be called several times: the
// last call counts, and what it leaves in its caller's variables. It must not
// block, since stores may be held meanwhile. s has Data, Flags and Deadline; its
// Data belongs to Func, which must not change the bytes.
//
// An error is the caller's own refusal: nothing is changed, and Edit returns it
// as it is.
type Func func(s backends.Session, found bool) (Change, error)

// Action is what shall be done. The zero value does nothing.
type Action uint8

const (
	Leaves Action = iota
	Writes
	Touches
	Deletes
)

// Change is what shall become of a session.
type Change struct {
	Action  Action
	Session backends.Session // of Writes: Data, Flags, Deadline; of Touches: Deadline
}

// Leave changes nothing.
func Leave() Change { return Change{} }

// Write makes the session s, whether there was one or not. A deadline that is
// past makes it a Delete. DeadlineUnknown, as it was read, keeps the deadline as
// well as the store can.
func Write(s backends.Session) Change { return Change{Writes, s} }

// Touch gives the session, if there is one, another deadline (zero: never).
func Touch(deadline time.Time) Change {
	return Change{Touches, backends.Session{Deadline: deadline}}
}

// Delete removes the session, if there is one.
func Delete() Change { return Change{Action: Deletes} }

// Effective is the change with its special cases gone: what it comes to for a
// session that is found or not.
func (c Change) Effective(found bool, now time.Time) Change {
	if (c.Action == Writes || c.Action == Touches) && c.Session.Expired(now) {
		c = Delete()
	}
	if !found && c.Action != Writes {
		c = Leave()
	}
	return c
}
