package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// What keeps a fleet together: any two agents that serve are one revision
// apart at most, and one epoch has one content, whoever is cut off, forgotten,
// killed or late.

// Note is the flag set's note in one store, as an agent read it.
type Note struct {
	Epoch  uint64 // 0: there is none
	Listed bool   // the reader is in the note's roster
}

// TakesNote tells an agent that serves revision own what a note means. It
// obeys a revision that is higher by one, as if the server had sent it. It stops
// (answers errors, until it is started anew) where it missed more than that, or
// is not in the roster of a higher one: then nobody waits for it. Lower and
// equal notes say nothing, and neither does a store that has none: it was
// restarted, or has evicted it.
func TakesNote(own uint64, n Note) (obey, stop bool) {
	switch {
	case n.Epoch == 0:
		return dropped(AbsenceSaysNothing), false
	case n.Epoch <= own:
		return false, false
	case !n.Listed && !dropped(UnlistedStops):
		return false, true
	case n.Epoch == own+1:
		return true, false
	}
	return false, !dropped(TwoBehindStops)
}

// StartsFrom is the revision with which an agent may begin to serve, given what
// it kept and the notes that it read before: the highest, however far ahead,
// since it has served nothing older in this life; 0: nobody knows one, and it is
// not ready. Not ok: the highest does not list it.
func StartsFrom(kept uint64, notes ...Note) (epoch uint64, ok bool) {
	epoch, ok = kept, true
	if dropped(StartReadsNotes) {
		return epoch, ok
	}
	for _, n := range notes {
		if n.Epoch > epoch || n.Epoch == epoch && n.Epoch > 0 && !n.Listed {
			epoch, ok = n.Epoch, n.Listed
		}
	}
	return epoch, ok
}

// RaisesNote tells whether a note of epoch mine may be written where one of
// epoch there stands (0: none). Whoever writes it must test that in one step
// with the write: a server that was stopped and wakes lowers nothing.
func RaisesNote(there, mine uint64) bool { return mine > there || dropped(NotesOnlyRise) }

// Publication is how far a revision is published.
type Publication uint8

const (
	NotBegun Publication = iota
	Intended             // written in the record as what comes next, whole
	NotedOld             // old's note is raised
	NotedNew             // new's note is raised
	Recorded             // it is the record's revision
	Pushed               // given to the agents that are connected
)

// Next is what comes after p; NotBegun: it is published.
func (p Publication) Next() Publication {
	order := [...]Publication{NotBegun, Intended, NotedOld, NotedNew, Recorded, Pushed, NotBegun}
	if dropped(NotesComeFirst) {
		order = [...]Publication{NotBegun, Intended, Recorded, Pushed, NotedOld, NotedNew, NotBegun}
	}
	for i, at := range order[:len(order)-1] {
		if at == p {
			next := order[i+1]
			if next == Intended && dropped(IntentIsRecorded) {
				next = order[i+2]
			}
			return next
		}
	}
	return NotBegun
}

// ResumesFrom is the epoch from which a server that takes over goes on: the
// highest that anybody may have seen. It publishes that one again, with the same
// content, before anything else.
func ResumesFrom(recorded, intended, old, new uint64) uint64 {
	if dropped(TakeoverLooks) {
		return recorded
	}
	return max(recorded, intended, old, new)
}

// Member is what whoever moves the migration knows of one agent.
type Member struct {
	// Acked is the newest revision that this life of the agent has acknowledged,
	// to a server or in a note of its own.
	Acked uint64
	// Silent: its lease has lapsed. That releases nothing.
	Silent bool
	// Forgotten: the operator said so.
	Forgotten bool
	// Ended, of a forgotten one: it has stopped or died, or has had the time in
	// which it must have read, in each store, the last revision that forgets it;
	// and the locks that it granted have run out.
	Ended bool
}

// ForgettingTakes is how many revisions in which nothing moves are published
// after an agent was forgotten, before the next step.
func ForgettingTakes() int {
	if dropped(ForgetsInTwo) {
		return 1
	}
	return 2
}

// MayFollow tells whether the fleet lets another revision follow the one of that
// epoch. still: nothing moves in it, so that it need not wait for a forgotten
// agent.
func MayFollow(epoch uint64, still bool, fleet []Member) bool {
	for _, m := range fleet {
		switch {
		case m.Forgotten:
			if !still && !m.Ended && !dropped(ForgettingWaits) {
				return false
			}
		case m.Acked >= epoch:
		case m.Silent && dropped(LapseReleasesNothing):
		default:
			return false
		}
	}
	return true
}

// MayOvertake tells whether a session may be told to go to a position although
// not every agent has acknowledged the last revision: if it may be there beside
// every position in which an agent may still have it.
func MayOvertake(to position.Position, held ...position.Position) bool {
	for _, p := range held {
		if !position.Together(p, to) && !dropped(OvertakesNextTo) {
			return false
		}
	}
	return true
}
