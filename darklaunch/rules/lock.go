package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// A lock has one fixed decider for each position, and never another one when
// that fails: the price of a failing store is a refusal, not two holders.

const (
	lockFirst  step = iota // the decider, or old where both must grant
	lockSecond             // new, where both must grant
	lockUndo               // new did not grant: our token leaves old
	unlockNew              // the grant's token in new
	unlockOld              // the grant's token in old
)

func (m *Machine) startLock() {
	switch m.pos {
	case position.Cutover:
		m.ask(LockCall, New)
	case position.ReadNew:
		if m.env()&OldDown != 0 {
			if m.env()&LocksInNew == 0 {
				m.tell(Error) // those that old granted have not all run out
				return
			}
			m.ask(LockCall, New)
			return
		}
		m.ask(LockCall, Old)
	default:
		m.ask(LockCall, Old)
	}
}

func (m *Machine) startUnlock(g Grants) {
	switch {
	case g&GrantNew != 0:
		m.step = unlockNew
		if g&GrantOld != 0 {
			m.seen |= targetHeld // old after it
		}
		m.ask(UnlockCall, New)
	case g&GrantOld != 0:
		m.step = unlockOld
		m.ask(UnlockCall, Old)
	default:
		m.tell(Refused)
	}
}

func (m *Machine) lockAnswer(c Call, a Answer) {
	switch m.step {
	case lockFirst:
		switch {
		case a == OK && m.bothLock():
			m.step = lockSecond
			m.ask(LockCall, New)
		case a == OK:
			m.tell(Done)
		case a == No:
			m.tell(Refused)
		case dropped(LocksDoNotDegrade) && c.Side == Old && m.pos == position.ReadNew:
			m.pos = position.Cutover
			m.ask(LockCall, New)
		default:
			m.tell(Error)
		}
	case lockSecond:
		if a == OK {
			m.tell(Done)
			return
		}
		if a.failed() {
			m.seen |= newFailed
			if dropped(SealedLocksBoth) {
				m.tell(Done)
				return
			}
		}
		m.step = lockUndo
		m.ask(UnlockCall, Old)
	case lockUndo:
		if m.seen&newFailed != 0 {
			m.tell(Error)
			return
		}
		m.tell(Refused)
	case unlockNew:
		if a.failed() {
			m.seen |= newFailed
		}
		if m.seen&targetHeld != 0 {
			m.step = unlockOld
			m.ask(UnlockCall, Old)
			return
		}
		m.unlocked(a)
	case unlockOld:
		m.unlocked(a)
	}
}

// Grants tells in which stores the token of a grant by this machine lies.
func (m *Machine) Grants() Grants {
	switch {
	case m.bothLock():
		return GrantOld | GrantNew
	case m.pos == position.Cutover, m.env()&LocksInNew != 0:
		return GrantNew
	}
	return GrantOld
}

// bothLock tells whether new has to grant too: while locks move from one store
// to the other, and where clients may come through any host although each host
// has an old of its own.
func (m *Machine) bothLock() bool {
	switch m.pos {
	case position.Sealed, position.Back:
		return !dropped(SealedLocksBoth)
	case position.ReadNew:
		return m.env()&HostScoped != 0 && !dropped(HostLocksBoth)
	}
	return false
}

func (m *Machine) unlocked(a Answer) {
	switch {
	case a.failed() || m.seen&newFailed != 0:
		m.tell(Error)
	case a == OK:
		m.tell(Done)
	default:
		m.tell(Refused) // it had run out
	}
}
