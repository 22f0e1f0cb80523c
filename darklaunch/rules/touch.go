package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// A touch moves a deadline, and never in one store only: sliding sessions would
// otherwise vanish from the other.

// touchMissing: the store that is asked first has no such session.
func (m *Machine) touchMissing(s Side) {
	switch {
	case s == Old && (m.pos == position.ReadNew || m.pos == position.Sealed):
		// Reads find it in new: old may have thrown it out, or an agent that
		// could not reach old, or one in cutover, may have made it in new
		// alone. But a delete that new missed also looks like this: the mark
		// tells.
		m.step = touchMark
		m.ask(MarkCall, Old)
	default:
		m.tell(Missing)
	}
}

// touchMissingSecond: the first store has the session, the other has not.
func (m *Machine) touchMissingSecond(s Side, a Answer) {
	switch {
	case s == Old: // back: repair makes it whole
		m.effect(DirtyOld)
		m.tell(Done)
	case m.pos == position.Sealed, a == Gone && m.pos == position.ReadNew:
		// New answers reads here, unless it is marked. No copy in sealed.
		m.step = touchGone
		m.ask(MarkCall, Old)
	case a == Gone:
		// Deleted since old was touched, or a newer session in old than the
		// tombstone, by a write that is still on its way and ends the matter.
		m.tell(Done)
	case dropped(TouchCopyIsGuarded):
		m.step = touchSource
		m.ask(ReadCall, Old)
	default:
		m.step = touchGuard
		m.ask(GuardCall, New)
	}
}

func (m *Machine) touchAnswer(a Answer) {
	switch m.step {
	case touchMark:
		switch a {
		case Clear:
			m.step = touchNew
			m.ask(TouchCall, New)
		case Marked, MarkedCall:
			m.tell(Missing)
		default:
			m.tell(Error)
		}
	case touchNew:
		switch {
		case a == OK:
			m.tell(Done)
		case a.failed():
			m.tell(Error)
		default:
			m.tell(Missing)
		}
	case touchGone:
		switch {
		case a.failed():
			m.tell(Error)
		case a == Clear:
			m.step = touchNew // after the mark: what new says now is whole
			m.ask(TouchCall, New)
		default:
			m.tell(Done) // new is behind
		}
	case touchGuard:
		switch {
		case a == Miss:
			m.step = touchSource
			m.ask(ReadCall, Old)
		case a == Err:
			m.markOrFail()
		default:
			// Somebody has written new since, or deleted the session.
			m.tell(Done)
		}
	case touchSource:
		switch {
		case a == Hit, a == Same:
			m.step = touchSwap
			if dropped(TouchCopyIsGuarded) {
				m.ask(SetCall, New)
				return
			}
			m.ask(SwapCall, New)
		case a.failed():
			m.markOrFail()
		default:
			m.tell(Done) // deleted meanwhile
		}
	case touchSwap:
		switch {
		case a.failed():
			m.markOrFail()
		default:
			if a == OK {
				m.effect(Copied)
			}
			m.tell(Done)
		}
	}
}
