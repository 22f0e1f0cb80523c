package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// The copy of an acknowledged write to the store that does not decide: new in
// mirror, old in cutover with keep_old. It runs after the answer, in the order
// of the session's writes; what fails makes the session dirty there.

// mirrorSide is where the copy goes.
func (m *Machine) mirrorSide() Side {
	if m.pos == position.Cutover {
		return Old
	}
	return New
}

func (m *Machine) startMirror() {
	s := m.mirrorSide()
	m.step = writeFirst
	switch {
	case m.op == MirrorTouch:
		m.ask(TouchCall, s)
	case m.op == MirrorSet && s == New:
		m.ask(ReviveCall, s)
	case m.op == MirrorSet:
		m.ask(SetCall, s)
	case s == New:
		m.ask(BuryCall, s)
	default:
		m.ask(DeleteCall, s)
	}
}

func (m *Machine) mirrorAnswer(c Call, a Answer) {
	s := m.mirrorSide()
	if a.failed() {
		if s == Old {
			m.effect(DirtyOld)
		} else {
			m.effect(DirtyNew)
		}
		m.tell(Left)
		return
	}
	switch m.step {
	case writeFirst:
		if m.op != MirrorTouch || a == OK || a == Gone {
			m.tell(Finished)
			return
		}
		if s == Old {
			m.effect(DirtyOld) // no copies towards old before back
			m.tell(Finished)
			return
		}
		m.step = touchGuard
		m.ask(GuardCall, s)
	case touchGuard:
		if a != Miss {
			m.tell(Finished)
			return
		}
		m.step = touchSource
		m.ask(ReadCall, s.Other())
	case touchSource:
		if a != Hit && a != Same {
			m.tell(Finished)
			return
		}
		m.step = touchSwap
		m.ask(SwapCall, s)
	case touchSwap:
		if a == OK {
			m.effect(Copied)
		}
		m.tell(Finished)
	}
}
