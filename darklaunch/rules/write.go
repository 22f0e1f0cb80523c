package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// Steps of a write (set, touch, delete, add).
const (
	writeFirst   step = iota // the decider
	writeSecond              // the other store
	writeMark                // what new did not surely take is marked in old
	writeList                // ... by an agent that is known to mark
	writeLease               // ... to everybody
	writeBehind              // old failed: the record that old is behind
	writeAlone               // ... then new alone
	writeLook                // new has the id already: is it what we have added?
	writeUndo                // it is not: our add in old is taken back
	touchMark                // old has nothing to touch: may new be asked?
	touchNew                 // ... it may
	touchGone                // new has a tombstone: does it count?
	touchGuard               // new has nothing to touch: a full copy
	touchSource              // ... from old
	touchSwap                // ... by the token
	writeRestore             // (a broken rule)
)

// first is the store that a write goes to first: the direction in which copies
// run, so that a copy's source is never older than its target.
func (m *Machine) first() Side {
	switch m.pos {
	case position.Cutover, position.Back:
		return New
	case position.ReadNew:
		if dropped(SourceFirst) {
			return New
		}
	}
	return Old
}

// buries tells whether a delete leaves a tombstone in that store. They stand
// where copies could bring a session back: in new while copies run old to new,
// in both while they run back.
func (m *Machine) buries(s Side) bool {
	switch m.pos {
	case position.Mirror, position.Fenced, position.ReadNew, position.Sealed:
		return s == New
	case position.Back:
		return s == New || !dropped(BackBuriesInOld)
	}
	return false
}

// callFor is how the operation is asked of a store.
func (m *Machine) callFor(s Side) Kind {
	tombs := m.buries(s)
	switch m.op {
	case Set:
		if tombs && !dropped(SetClearsTombstone) {
			return ReviveCall
		}
		return SetCall
	case Delete:
		if tombs && !dropped(DeleteLeavesTombstone) {
			return BuryCall
		}
		return DeleteCall
	case Touch:
		return TouchCall
	}
	// An add.
	switch m.pos {
	case position.ReadNew, position.Sealed:
		if s == Old {
			return AddUndoCall
		}
		if dropped(AddAsksNew) {
			return ReviveCall
		}
		return AddCall
	case position.Fenced:
		if s == New {
			return ReviveCall // old has decided: new gets the result
		}
	case position.Back:
		if s == Old {
			return ReviveCall
		}
	}
	return AddCall
}

func (m *Machine) startWrite() {
	switch m.pos {
	case position.ReadNew:
		if m.env()&(OldDown|Behind) != 0 {
			// Old lacks writes of ours: what it says of a session may be long
			// past. It is asked again once it is whole.
			m.newAlone()
			return
		}
		if m.op == Add && dropped(OldDecidesAdd) {
			m.step = writeSecond
			m.ask(AddCall, New)
			return
		}
	}
	m.step = writeFirst
	m.ask(m.callFor(m.first()), m.first())
}

func (m *Machine) writeAnswer(c Call, a Answer) {
	switch m.step {
	case writeFirst:
		m.firstAnswer(c.Side, a)
	case writeSecond:
		m.secondAnswer(c.Side, a)
	case writeMark:
		if a == OK || dropped(MarkMustStand) {
			m.effect(DirtyNew)
			m.list()
			return
		}
		m.effect(DirtyNew)
		m.tell(Error)
	case writeList:
		switch {
		case a == OK, a == No && dropped(LeasesRunOut):
			m.done()
		case a == No:
			m.step = writeLease
			m.ask(LeaseCall, Old)
		default: // a reader with a lease would not look at the mark
			m.tell(Error)
		}
	case writeLease:
		m.done()
	case writeBehind:
		if a != OK {
			m.tell(Error)
			return
		}
		m.effect(IsBehind)
		m.step = writeAlone
		m.ask(m.aloneCall(), New)
	case writeAlone:
		m.aloneAnswer(a)
	case writeLook:
		m.lookAnswer(a)
	case writeUndo:
		m.undoAnswer(a)
	case touchMark, touchNew, touchGone, touchGuard, touchSource, touchSwap:
		m.touchAnswer(a)
	}
}

// done acknowledges what the operation did.
func (m *Machine) done() {
	if m.op == Delete && m.seen&wasThere == 0 {
		m.tell(Missing)
		return
	}
	m.tell(Done)
}

// firstAnswer: the store that is written first has answered.
func (m *Machine) firstAnswer(s Side, a Answer) {
	if a.failed() {
		m.firstFailed(s, a)
		return
	}
	if a == OK {
		m.seen |= wasThere
	}
	switch {
	case m.op == Add && a == No:
		m.tell(Refused)
		return
	case m.op == Touch && a != OK:
		m.touchMissing(s)
		return
	}
	switch m.pos {
	case position.Off:
		m.done()
	case position.Mirror:
		if dropped(MirrorAfterAnswer) {
			m.step = writeSecond
			m.ask(m.callFor(s.Other()), s.Other())
			return
		}
		m.effect(QueueWrite)
		m.done()
	case position.Cutover:
		if m.env()&KeepOld != 0 {
			m.effect(QueueWrite)
		}
		m.done()
	default:
		m.step = writeSecond
		m.ask(m.callFor(s.Other()), s.Other())
	}
}

func (m *Machine) firstFailed(s Side, a Answer) {
	if s == New {
		if m.pos == position.Back && a == Unknown {
			m.effect(DirtyOld) // it may still land in new
		}
		if m.pos == position.ReadNew { // only under a broken rule's order
			m.markOrFail()
			return
		}
		m.tell(Error)
		return
	}
	if m.pos == position.ReadNew && m.env()&Settled != 0 && a != Refuses {
		m.newAlone()
		return
	}
	if m.pos == position.Sealed && dropped(SealedNeedsOld) {
		m.effect(DirtyOld)
		m.step = writeSecond
		m.ask(m.callFor(New), New)
		return
	}
	if a == Unknown && m.pos == position.Mirror {
		m.effect(DirtyNew) // it may still land in old, where nothing mirrors it
	}
	m.tell(Error)
}

// secondAnswer: the other store has answered.
func (m *Machine) secondAnswer(s Side, a Answer) {
	if a.failed() {
		m.secondFailed(s)
		return
	}
	if a == OK {
		m.seen |= wasThere
	}
	switch {
	case m.op == Add && a == No:
		if dropped(AddIsUndone) || dropped(OldDecidesAdd) {
			m.tell(Refused)
			return
		}
		m.step = writeLook
		m.ask(MarkCall, Old)
	case m.op == Touch && a != OK:
		m.touchMissingSecond(s, a)
	default:
		m.done()
	}
}

func (m *Machine) secondFailed(s Side) {
	switch {
	case s == Old: // back
		m.effect(DirtyOld)
		m.done()
	case m.pos == position.Sealed && !dropped(SealedNeedsNew),
		m.hostNeedsNew():
		// Old may have it: a write that was not acknowledged.
		m.effect(DirtyNew)
		if m.op == Add {
			m.step = writeUndo
			m.seen |= newFailed
			m.ask(UndoCall, Old)
			return
		}
		m.tell(Error)
	default:
		m.markOrFail()
	}
}

// markOrFail makes it known to every reader that new is behind, before the
// client is told that the write is kept.
func (m *Machine) markOrFail() {
	if m.hostNeedsNew() {
		m.effect(DirtyNew)
		m.tell(Error)
		return
	}
	if dropped(DirtyInMemory) {
		m.effect(DirtyNew)
		m.done()
		return
	}
	m.effect(DirtyNew)
	m.step = writeMark
	m.ask(PutMarkCall, Old)
}

// list sees to it that readers look at the mark.
func (m *Machine) list() {
	if m.env()&Leases == 0 || dropped(MarkersAreListed) {
		m.done()
		return
	}
	m.step = writeList
	m.ask(ListCall, Old)
}

// hostNeedsNew tells whether a mark would be of no use: readers on other hosts
// do not see it.
func (m *Machine) hostNeedsNew() bool {
	return m.pos == position.ReadNew && m.env()&HostScoped != 0 && !dropped(HostNeedsNew)
}

// lookAnswer: new has an id that old had room for. What is it?
func (m *Machine) lookAnswer(a Answer) {
	switch {
	case a == Marked, a == MarkedCall:
		m.markOrFail() // what new holds is behind: a session that old has deleted
		return
	case a == Same && dropped(EqualIsNotOurs):
		m.done()
		return
	case a == Clear:
		m.ask(ReadCall, New) // after the mark: what it says now is whole
		return
	case a != Hit && a != Same:
		m.seen |= newFailed // could not say, or it has gone meanwhile
	}
	// Old has thrown the session out. It lives: our placeholder goes.
	m.step = writeUndo
	m.ask(UndoCall, Old)
}

func (m *Machine) undoAnswer(a Answer) {
	switch {
	case m.seen&newFailed != 0: // new could not say
		m.tell(Error)
	case a == OK:
		m.tell(Refused)
	default:
		// Our placeholder may stay in old, beside the live session in new; or
		// somebody has written or touched it there since, so that it lives. It
		// must not be repaired from old: new's session is the older and lives.
		m.tell(Error)
	}
}

// newAlone is settled read-new with old failing: new takes the write, after it
// holds the record that old is behind.
func (m *Machine) newAlone() {
	if m.env()&Behind != 0 || dropped(BehindIsRecorded) {
		m.step = writeAlone
		m.ask(m.aloneCall(), New)
		return
	}
	m.step = writeBehind
	m.ask(BehindCall, New)
}

func (m *Machine) aloneCall() Kind {
	if m.op == Add {
		return AddCall
	}
	return m.callFor(New)
}

func (m *Machine) aloneAnswer(a Answer) {
	m.effect(DirtyOld)
	switch {
	case a.failed():
		m.tell(Error)
	case a == OK:
		m.seen |= wasThere
		m.done()
	case m.op == Add:
		m.tell(Refused)
	case m.op == Touch:
		m.tell(Missing)
	default:
		m.done()
	}
}
