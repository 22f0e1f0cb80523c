package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// Steps of a get.
const (
	getPlain step = iota // one store, whose answer is the answer
	getBoth              // marks and new, at the same time
	getOld               // old, because of a mark, a miss or an error
	getNew               // new alone (a broken rule's order)
)

func (m *Machine) startGet() {
	switch m.pos {
	case position.Off, position.Mirror, position.Fenced:
		m.ask(ReadCall, Old)
	case position.Cutover, position.Back:
		m.ask(ReadCall, New)
	case position.ReadNew:
		switch {
		case m.env()&OldDown != 0:
			// Every agent knows that old is dead: new is all there is, and
			// since read-new is settled, new has everything.
			m.ask(ReadCall, New)
		default:
			m.lookBoth()
		}
	case position.Sealed:
		m.lookBoth()
	}
}

func (m *Machine) lookBoth() {
	m.step = getBoth
	if m.env()&CleanLease != 0 {
		m.seen |= isClear // nothing that is acknowledged before this read was marked
		m.ask(ReadCall, New)
		return
	}
	// At the same time, to spare a round trip: safe because a repair removes a
	// mark only one full read deadline after its swap, so that a read that
	// missed the mark began after new was whole.
	m.askBoth(Call{MarkCall, Old}, Call{ReadCall, New})
}

func (m *Machine) getAnswer(c Call, a Answer) {
	switch m.step {
	case getPlain:
		m.answerIs(c.Side, a)
	case getOld:
		m.answerOfOld(a)
	case getBoth:
		m.bothAnswer(c, a)
	}
}

// answerIs makes one store's answer the answer.
func (m *Machine) answerIs(s Side, a Answer) {
	switch {
	case a == Hit && s == Old:
		m.tell(HitOld)
	case a == Hit:
		m.tell(HitNew)
	case a == Miss, a == Gone:
		m.tell(Missing)
	case dropped(ErrorIsMiss):
		m.tell(Missing)
	default:
		m.tell(Error)
	}
}

func (m *Machine) bothAnswer(c Call, a Answer) {
	if c.Kind == MarkCall {
		switch a {
		case Marked, MarkedCall:
			m.seen |= isMarked
		case Clear:
			m.seen |= isClear
		default:
			if m.pos == position.Sealed {
				m.tell(Error)
				return
			}
		}
	} else {
		switch a {
		case Hit:
			m.seen |= newHit
		case Miss:
			m.seen |= newMiss
		case Gone:
			m.seen |= newGone
		default:
			m.seen |= newFailed
		}
	}
	if m.seen&newGone != 0 && dropped(TombstoneFirst) {
		m.tell(Missing)
		return
	}
	if m.seen&isMarked != 0 && !dropped(ReadersLookAtMarks) && !(dropped(TombstoneFirst) && m.Running()) {
		// Old has a write that new does not surely have: old's answer counts,
		// whatever new says, also its tombstone.
		m.effect(ByMark | DirtyNew)
		m.step = getOld
		m.ask(ReadCall, Old)
		return
	}
	if m.Running() {
		return
	}
	m.unmarkedAnswer()
}

// unmarkedAnswer decides when both have answered and no mark was seen.
func (m *Machine) unmarkedAnswer() {
	readable := m.seen&(isClear|isMarked) != 0
	if !readable {
		m.effect(Unmarked)
	}
	sealed := m.pos == position.Sealed && !dropped(SealedDoesNotFallBack)
	noFallback := sealed || m.env()&Behind != 0 && !dropped(NoFallbackWhileBehind)
	// This host's old may hold an older session than another host's: it may
	// fill what new lacks, and not stand in for what new holds.
	hostOnly := m.env()&HostScoped != 0 && !dropped(HostDoesNotStandIn)
	switch {
	case m.seen&newHit != 0:
		m.tell(HitNew)
	case m.seen&newGone != 0 && !dropped(ReadersHonourTombstones):
		m.tell(Missing)
	case m.seen&newFailed != 0:
		if noFallback || hostOnly || !readable {
			m.answerIs(New, Err)
			return
		}
		m.effect(ByError)
		m.seen |= newFailed
		m.step = getOld
		m.ask(ReadCall, Old)
	default: // absent in new
		switch {
		case sealed:
			m.tell(Missing)
		case noFallback:
			// Old lacks writes of ours, and settled read-new has every session
			// in new.
			m.tell(Missing)
		case !readable:
			// The store that could say so is out of reach.
			m.answerIs(Old, Err)
		default:
			m.effect(ByMiss)
			m.step = getOld
			m.ask(ReadCall, Old)
		}
	}
}

func (m *Machine) answerOfOld(a Answer) {
	switch {
	case a == Hit:
		if m.seen&newMiss != 0 && m.seen&isMarked == 0 {
			m.effect(QueueRefill)
		}
		m.tell(HitOld)
	case a == Miss && m.seen&newFailed != 0 && m.seen&isMarked == 0 && m.env()&OldEvicts != 0 && !dropped(EvictedIsNoAnswer):
		// Old may have thrown out what new still holds.
		m.tell(Error)
	case a == Miss, a == Gone:
		m.tell(Missing)
	default:
		m.answerIs(Old, a)
	}
}
