package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// An edit reads a session, asks a function what shall become of it, and makes
// that so if nobody has written the session meanwhile. It looks twice: first
// without a token, since most conditions that do not hold change nothing, and a
// token claims an absent key in some stores; then, where the function wants a
// change, with tokens of every store that it will write.
//
// The decider's token serializes edits, as it does adds. The other store is
// written by a token too, taken before the decider is read: of two edits, one
// made of the other's result, the later then stands in both stores.

// Steps of an edit.
const (
	editLook   step = 32 + iota // what the stores hold, or what they hold with tokens
	editSame                    // both hold a session: the same?
	editMark                    // they differ: is new behind?
	editFresh                   // no: what does new hold now?
	editAgain                   // somebody is writing: another try?
	editAsk                     // the function
	editBehind                  // old failed: the record that old is behind
	editFirst                   // the decider, by its token
	editSecond                  // the other store, by its token
	editMoved                   // new was modified since its token was taken: how?
	editBase                    // ... was it only touched?
	editOther                   // ... or written through old,
	editOwn                     // ... after us?
	editEqual                   // ... both hold the same, then
)

// edit is what an edit knows besides.
type edit uint8

const (
	withTokens edit = 1 << iota
	oldHit
	alone     // new alone decides: settled read-new, and old failed
	removes   // the function wants the session gone
	oldFailed // back: old could not give a token
	retried   // new was touched once already
	fromOld   // new is to get what old holds, not what the function gave
)

// Removes tells whether an edit's function wanted the session gone.
func (m *Machine) Removes() bool { return m.edit&removes != 0 }

// CopiesOld tells whether an edit's swap writes to new what old holds, and not what
// the function gave.
func (m *Machine) CopiesOld() bool { return m.edit&fromOld != 0 }

// editsOne tells whether one store alone is looked at, and which.
func (m *Machine) editsOne() (s Side, one bool) {
	tokens := m.edit&withTokens != 0
	switch m.pos {
	case position.Off, position.Mirror:
		return Old, true
	case position.Fenced:
		return Old, !tokens
	case position.Cutover:
		return New, true
	case position.Back:
		return New, !tokens
	}
	return New, m.edit&alone != 0
}

func (m *Machine) startEdit() {
	if m.pos == position.ReadNew && m.env()&(OldDown|Behind) != 0 {
		m.edit |= alone
	}
	m.look()
}

// look asks what there is. The token of the store that is written second comes
// first: see above.
func (m *Machine) look() {
	m.seen, m.edit = 0, m.edit&(withTokens|alone)
	m.step = editLook
	s, one := m.editsOne()
	switch {
	case one && m.edit&withTokens != 0:
		m.ask(GuardCall, s)
	case one:
		m.ask(ReadCall, s)
	case m.edit&withTokens == 0:
		m.askBoth(Call{ReadCall, Old}, Call{ReadCall, New})
	default:
		m.ask(GuardCall, m.first().Other())
	}
}

func (m *Machine) editAnswer(c Call, a Answer) {
	switch m.step {
	case editLook:
		m.looked(c.Side, a)
	case editSame:
		if a == Same {
			m.askFunction(Old)
			return
		}
		m.step = editMark
		m.ask(MarkCall, Old)
	case editMark:
		m.differ(a)
	case editFresh:
		if a.failed() {
			m.tell(Error)
			return
		}
		m.askFunction(New)
	case editAgain:
		if a != OK {
			m.tell(Error)
			return
		}
		m.look()
	case editAsk:
		m.asked(a)
	case editBehind:
		if a != OK {
			m.tell(Error)
			return
		}
		m.effect(IsBehind)
		m.edit |= alone
		m.look()
	case editFirst:
		m.firstEdited(c.Side, a)
	case editSecond:
		m.secondEdited(c.Side, a)
	case editMoved, editBase, editOther, editOwn, editEqual:
		m.moved(c.Side, a)
	case writeMark, writeList, writeLease:
		m.writeAnswer(c, a)
	}
}

// looked: one store has said what it holds.
func (m *Machine) looked(s Side, a Answer) {
	if _, one := m.editsOne(); a.failed() {
		switch {
		case one || s == m.first():
			m.editFailed(s, a)
			return
		case s == Old: // back
			m.edit |= oldFailed
		case m.pos == position.Sealed, m.hostNeedsNew():
			m.tell(Error)
			return
		default:
			m.seen |= newFailed
		}
	}
	switch {
	case s == Old && a == Hit:
		m.edit |= oldHit
	case s == New && a == Hit:
		m.seen |= newHit
	case s == New && a == Gone:
		m.seen |= newGone
	}
	if m.Running() {
		return
	}
	if _, one := m.editsOne(); !one && m.edit&withTokens != 0 && s != m.first() {
		m.ask(GuardCall, m.first())
		return
	}
	m.base()
}

// base decides which store's session is the one that readers see, and that the
// function is asked about.
func (m *Machine) base() {
	_, one := m.editsOne()
	old, new := m.edit&oldHit != 0, m.seen&newHit != 0
	switch {
	case one, m.pos == position.Fenced, m.pos == position.Back:
		m.askFunction(m.decidesEdit())
	case m.seen&newFailed != 0 && !old && m.env()&OldEvicts != 0:
		m.tell(Error) // old may have thrown out what new still holds
	case m.seen&newFailed != 0, !old && !new:
		m.askFunction(Old)
	case m.pos == position.ReadNew && old && !new && m.seen&newGone == 0:
		m.askFunction(Old) // new has lost it, or never had it
	case m.pos == position.ReadNew && dropped(EditComparesStores):
		m.askFunction(Old)
	case old && new:
		m.step = editSame
		m.ask(SameCall, Old)
	default:
		m.step = editMark
		m.ask(MarkCall, Old)
	}
}

// decidesEdit is the store whose session counts where only one's can.
func (m *Machine) decidesEdit() Side {
	if m.edit&alone != 0 {
		return New
	}
	return m.first()
}

// differ: the stores hold different things. A mark says that old is right. Else
// somebody may be between the two, or new holds what an agent wrote that could
// not reach old, or in cutover: nobody can tell which, so the edit waits for an
// end of it, and is refused if there is none.
func (m *Machine) differ(a Answer) {
	switch {
	case a.failed():
		m.tell(Error)
	case a != Clear:
		m.seen |= isMarked
		m.askFunction(Old)
	case m.env()&HostScoped != 0, // this host's old may be another's past
		m.pos == position.ReadNew && m.env()&OldEvicts != 0 && m.edit&oldHit == 0,
		m.pos == position.Sealed && dropped(SealedEditNeedsEqual):
		m.step = editFresh
		m.ask(ReadCall, New) // after the mark: what it says now is whole
	default:
		m.tryAgain()
	}
}

func (m *Machine) tryAgain() {
	m.step = editAgain
	m.ask(AgainCall, Old)
}

func (m *Machine) askFunction(s Side) {
	m.step = editAsk
	m.ask(AskCall, s)
}

func (m *Machine) asked(a Answer) {
	switch a {
	case Leaves:
		m.tell(Refused)
		return
	case LeavesNone:
		m.tell(Missing)
		return
	case Removes:
		m.edit |= removes
	case Writes:
	default:
		m.tell(Error)
		return
	}
	if m.edit&withTokens == 0 {
		m.edit |= withTokens
		m.look()
		return
	}
	m.step = editFirst
	s := m.decidesEdit()
	m.ask(m.editCall(s), s)
}

// editCall is how a store is asked for the change, by its token.
func (m *Machine) editCall(s Side) Kind {
	switch {
	case m.edit&(fromOld|oldHit) == fromOld|oldHit:
		return SwapCall
	case m.edit&fromOld != 0:
		return BuryIfCall
	case m.edit&removes == 0 && dropped(EditGoesByToken):
		return m.setKind(s)
	case m.edit&removes == 0 && s != m.decidesEdit() && dropped(EditsSecondByToken):
		return ReviveCall
	case m.edit&removes == 0:
		return SwapCall
	case m.buries(s) && !dropped(DeleteLeavesTombstone):
		return BuryIfCall
	}
	return RemoveIfCall
}

func (m *Machine) setKind(s Side) Kind {
	if m.buries(s) {
		return ReviveCall
	}
	return SetCall
}

// editFailed: the store that decides could not say, or not be written.
func (m *Machine) editFailed(s Side, a Answer) {
	if s == Old && m.pos == position.ReadNew && m.env()&Settled != 0 && a != Refuses {
		m.step = editBehind
		m.ask(BehindCall, New)
		return
	}
	if a == Unknown {
		switch { // it may still land, where nothing follows it
		case m.pos == position.Mirror:
			m.effect(DirtyNew)
		case m.pos == position.Back, m.edit&alone != 0:
			m.effect(DirtyOld)
		}
	}
	m.tell(Error)
}

func (m *Machine) firstEdited(s Side, a Answer) {
	switch {
	case a.failed():
		m.editFailed(s, a)
	case a == No:
		m.tryAgain()
	case m.edit&alone != 0:
		m.effect(DirtyOld)
		m.tell(Done)
	case m.pos == position.Off:
		m.tell(Done)
	case m.pos == position.Mirror, m.pos == position.Cutover && m.env()&KeepOld != 0:
		m.effect(QueueWrite)
		m.tell(Done)
	case m.pos == position.Cutover:
		m.tell(Done)
	case m.edit&oldFailed != 0:
		m.effect(DirtyOld)
		m.tell(Done)
	case m.seen&newFailed != 0:
		m.markOrFail()
	default:
		m.step = editSecond
		m.ask(m.editCall(s.Other()), s.Other())
	}
}

func (m *Machine) secondEdited(s Side, a Answer) {
	switch {
	case a.failed():
		m.secondFailed(s)
	case a == OK:
		m.tell(Done)
	case s == Old: // back
		m.effect(DirtyOld)
		m.tell(Done)
	case m.pos == position.Fenced && dropped(FencedEditGoesOn), m.pos == position.ReadNew && (m.seen&isMarked != 0 || dropped(EditLooksAtConflicts)):
		m.markOrFail() // old decides for all who may write here
	default:
		m.step = editMoved
		m.ask(GuardCall, New)
	}
}

// moved: old has our change, and new was modified since its token was taken.
//
// In fenced old decides for all who may write here. What new got is the copy of
// an older value, or the write of somebody who came after us in old too. What old
// holds now goes to new by the new token, as in a repair. A mark would do for
// readers who see it; but nothing has failed yet, and one who cannot look at marks
// would be told the older value.
//
// In read-new: if it was only touched, its new token serves. If both stores hold
// the same, and it is not ours, who wrote it came after us. Else it may be the write
// of an agent that did not ask old: whether ours or that one stands cannot be said,
// also where the two look alike (both made 2 of 1, or nothing of something).
func (m *Machine) moved(s Side, a Answer) {
	if a.failed() {
		m.secondFailed(New)
		return
	}
	switch m.step {
	case editMoved:
		if m.pos == position.Fenced {
			if m.seen &^= newGone; a == Gone {
				m.seen |= newGone
			}
			m.step = editOther
			m.ask(ReadCall, Old)
			return
		}
		m.step = editBase
		m.ask(SameCall, New)
	case editBase:
		if a == Same && m.edit&retried == 0 {
			m.edit |= retried
			m.step = editSecond
			m.ask(m.editCall(New), New)
			return
		}
		if m.pos == position.Sealed || m.env()&HostScoped != 0 {
			// In back somebody may write both, and have read only new; and other
			// hosts do not write this old.
			m.effect(DirtyNew)
			m.tell(Error)
			return
		}
		m.step = editOther
		m.ask(ReadCall, Old)
	case editOther:
		if m.pos == position.Fenced {
			m.overtaken(a)
			return
		}
		m.step = editOwn
		m.ask(OwnCall, Old)
	case editOwn:
		if a == No || dropped(OwnIsNotOthers) {
			m.step = editEqual
			m.ask(SameCall, Old)
			return
		}
		m.effect(DirtyNew)
		m.tell(Error)
	case editEqual:
		if a == Same {
			m.tell(Done)
			return
		}
		m.effect(DirtyNew)
		m.tell(Error)
	}
}

// overtaken: what old holds now, in fenced, where new was modified.
func (m *Machine) overtaken(a Answer) {
	switch m.edit &^= oldHit; {
	case a == Hit:
		m.edit |= oldHit
		m.bringOld() // also where the data are the same: the deadline may not be
	case a == Lags, m.env()&OldEvicts != 0 && m.edit&removes == 0:
		m.markOrFail() // old may have lost what it was given
	case m.seen&newGone != 0:
		m.tell(Done)
	default:
		m.bringOld() // a tombstone, also where there is nothing
	}
}

// bringOld has new get what old holds.
func (m *Machine) bringOld() {
	m.edit |= fromOld
	m.step = editSecond
	m.ask(m.editCall(New), New)
}
