package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// Every copy reads the target's token, then the source, then swaps by the
// token: whatever is written to the target in between wins, and what is written
// to the source before it is seen.

const (
	copyGuard  step = iota // the target's token
	copyMarks              // repair: which marks stand
	copySource             // what the source holds
	copySwap               // the swap, or the burial
	copyWait               // repair: until no read is under way that missed the mark
	copyDrop               // repair: our entries go
)

func (m *Machine) target() Side {
	if m.op == CopyBack {
		return Old
	}
	return New
}

func (m *Machine) startCopy() {
	if dropped(TokenBeforeSource) && m.op == Copy {
		m.step = copySource
		m.ask(ReadCall, m.target().Other())
		return
	}
	m.step = copyGuard
	m.ask(GuardCall, m.target())
}

func (m *Machine) copyAnswer(c Call, a Answer) {
	if a.failed() {
		m.tell(Left)
		return
	}
	switch m.step {
	case copyGuard:
		m.guarded(a)
	case copyMarks:
		m.marks(a)
	case copySource:
		m.source(a)
	case copySwap:
		if a == No {
			m.retry()
			return
		}
		m.effect(Copied)
		m.whole()
	case copyWait:
		m.step = copyDrop
		m.ask(DropMarkCall, Old)
	case copyDrop:
		m.effect(CleanNew)
		m.tell(Finished)
	}
}

func (m *Machine) guarded(a Answer) {
	m.seen &^= targetHeld | newGone
	switch a {
	case Hit:
		m.seen |= targetHeld
	case Gone:
		m.seen |= newGone
	}
	switch {
	case dropped(TokenBeforeSource) && m.op == Copy:
		m.swap()
	case m.op == Refill && a != Miss:
		m.tell(Finished) // somebody has written or deleted it since
	case m.op == Copy && a == Hit && dropped(CopyCorrects):
		m.tell(Finished)
	case m.op == Repair, m.op == Copy && m.pos == position.ReadNew:
		m.step = copyMarks
		m.ask(MarkCall, Old)
	default:
		m.step = copySource
		m.ask(ReadCall, m.target().Other())
	}
}

func (m *Machine) marks(a Answer) {
	switch {
	case a == MarkedCall && m.op == Repair:
		m.tell(Left) // a call of our last life may still arrive in new
		return
	case a == Marked, a == MarkedCall:
		m.seen |= isMarked
	case m.op == Repair && m.pos == position.ReadNew && !dropped(RepairNeedsMark):
		// Nothing that was acknowledged is missing in new. Old may even be the
		// one that is behind, if another agent could not reach it.
		m.effect(CleanNew)
		m.tell(Finished)
		return
	}
	m.step = copySource
	m.ask(ReadCall, Old)
}

// source: what the side that decides holds now.
func (m *Machine) source(a Answer) {
	if m.op == Refill {
		if a != Hit && a != Same {
			m.tell(Finished)
			return
		}
		m.swap()
		return
	}
	switch a {
	case Hit:
		if m.oldMayLack() && m.seen&targetHeld != 0 {
			m.tell(Left) // shown by whoever verifies, and left
			return
		}
		if dropped(TokenBeforeSource) && m.op == Copy {
			m.step = copyGuard
			m.ask(GuardCall, New)
			return
		}
		m.swap()
	case Same:
		m.whole()
	case Lags:
		if dropped(LaggingIsNoSource) {
			m.swap()
			return
		}
		// Old has lost its newer copy, or another host has it: what new holds
		// is not older, and stays. A mark has nothing more to say.
		m.effect(OldLags)
		m.whole()
	default:
		m.absent()
	}
}

func (m *Machine) swap() {
	m.step = copySwap
	if dropped(RepairIsGuarded) && m.op == Repair {
		m.ask(ReviveCall, New)
		return
	}
	m.ask(SwapCall, m.target())
}

// oldMayLack tells whether new may hold a write that old lacks, made by an agent
// that could not reach old: in settled read-new, where no mark says otherwise.
func (m *Machine) oldMayLack() bool {
	return m.op == Copy && m.pos == position.ReadNew && m.env()&Settled != 0 && m.seen&isMarked == 0
}

// absent: the source has no such session. Is it deleted?
func (m *Machine) absent() {
	t := m.target()
	if m.oldMayLack() {
		if m.seen&targetHeld != 0 {
			m.effect(EvictedOld)
		}
		m.whole()
		return
	}
	evidence := t == Old || // rolling back: new decides
		m.seen&isMarked != 0 ||
		(m.env()&OldEvicts == 0 ||
			m.pos == position.Mirror || // what users see is old's answer
			m.pos == position.Fenced && m.op == Copy) &&
			// Another host may have it, unless this one has just deleted it.
			(m.env()&HostScoped == 0 || m.op == Repair || dropped(HostMissIsNoAnswer))
	if !evidence && !dropped(EvictedIsNoAnswer) {
		if m.seen&targetHeld != 0 {
			m.effect(EvictedOld)
		}
		m.whole()
		return
	}
	if (m.op == Copy || m.op == CopyBack) && m.seen&targetHeld == 0 {
		m.whole()
		return
	}
	// A repair buries also where the target holds nothing, or a tombstone
	// already: a copy that read the source before the delete may be about to
	// add, and its token must not be good any more.
	m.step = copySwap
	m.ask(BuryIfCall, t)
}

// whole: the target holds what the source held.
func (m *Machine) whole() {
	switch m.op {
	case CopyBack:
		m.effect(CleanOld)
		m.tell(Finished)
	case Repair:
		if m.seen&isMarked == 0 {
			m.effect(CleanNew)
			m.tell(Finished)
			return
		}
		if dropped(LateUnmark) {
			m.step = copyDrop
			m.ask(DropMarkCall, Old)
			return
		}
		m.step = copyWait
		m.ask(WaitCall, New)
	default:
		m.tell(Finished)
	}
}

// retry: somebody has written the target since: look again.
func (m *Machine) retry() {
	if m.op == Refill {
		m.tell(Finished)
		return
	}
	m.seen = 0
	m.startCopy()
}
