package walk

import (
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// revisions lets agents take the newest revision, and the orchestrator publish
// the next one where the gate is open.
func (w *walker) revisions(s *state) {
	if w.cfg.fleet() {
		w.fleet(s)
		return
	}
	for a := range uint8(agents) {
		if s.agents[a].rev < s.rev {
			n := *s
			n.agents[a].rev += oneOn
			w.emit(&n, "%s takes revision %s", agentName(a), w.phase(n.agents[a].rev))
		}
	}
	if w.hasNext(s.rev) && s.gate(w, s.rev+oneOn) {
		n := *s
		n.publish(w, s.rev+oneOn)
		w.emit(&n, "the next revision is published: %s", w.phase(n.rev))
	}
}

func (w *walker) hasNext(rev uint8) bool { return int(contentOf(rev))+1 < len(w.cfg.Path) }

// publish makes a revision the newest one.
func (s *state) publish(w *walker, rev uint8) {
	s.rev = rev
	if ph := w.phase(rev); ph.Position == position.Back || ph.Env&rules.Recovering != 0 || ph.Free {
		s.reversed = 0
	}
}

// acked: the agent has taken the newest revision, and nothing older is running,
// queued, unknown or locked.
func (s *state) acked(a uint8) bool { return s.agents[a].rev >= s.rev && s.settled(a, s.rev) }

// settled: nothing that the agent began before a revision is left.
func (s *state) settled(a, rev uint8) bool {
	if !rules.Dropped(rules.AckWaitsForOperations) {
		for i := range s.clients {
			if p := &s.clients[i]; p.m.Active() && p.agent == a && p.rev < rev {
				return false
			}
		}
		if t := &s.tasks[a]; t.m.Active() && t.rev < rev && !isMirror(t.m.Op()) {
			return false
		}
	}
	if !rules.Dropped(rules.AckWaitsForQueue) && s.queued(a, rev) {
		return false
	}
	if !rules.Dropped(rules.AckWaitsForCalls) && (s.unknown(a, rules.Old) || s.unknown(a, rules.New)) {
		return false
	}
	if !rules.Dropped(rules.AckWaitsForLocks) {
		for g := uint8(0); g < s.ledger.grants; g++ {
			if r := &s.ledger.grant[g]; r.out && r.agent == a && r.rev < rev {
				return false
			}
		}
	}
	return true
}

func (s *state) allAcked(w *walker) bool {
	switch {
	case w.cfg.Unacked:
		return true
	case w.cfg.fleet():
		return s.mayFollow(false)
	}
	ok := 0
	for a := range uint8(agents) {
		if s.acked(a) {
			ok++
		}
	}
	return ok == agents || ok > 0 && rules.Dropped(rules.LapseReleasesNothing)
}

// gate tells whether the next revision may be published.
func (s *state) gate(w *walker, next uint8) bool { return s.allAcked(w) && s.open(w, s.rev, next) }

// open tells the same of all but the acknowledgements.
func (s *state) open(w *walker, at, next uint8) bool {
	from, to := w.phase(at), w.phase(next)
	if s.tasks[copier].m.Active() && !rules.Dropped(rules.NoCopyWhileSealed) {
		return false
	}
	need := rules.Gate(from.Position, w.cfg.env(from), to.Position, w.cfg.env(to))
	dirtyNew, marked, behind := false, false, false
	for a := range s.agents {
		dirtyNew = dirtyNew || s.agents[a].dirtyNew
		marked = marked || s.mark[a] != 0
		behind = behind || s.behind[a]
	}
	switch {
	case need&rules.NeedNoUnknown != 0 && s.anyLate() && !rules.Dropped(rules.AckWaitsForCalls):
	case need&rules.NeedVerified != 0 && s.verified&^purged != w.cfg.hosts():
	case need&rules.NeedCleanNew != 0 && (dirtyNew || marked):
	case need&rules.NeedCleanOld != 0 && s.dirtyOld():
	case need&rules.NeedNotBehind != 0 && behind:
	case need&rules.NeedReversed != 0 && s.reversed != w.cfg.hosts():
	default:
		return true
	}
	return false
}

func (s *state) dirtyOld() bool {
	for a := range s.agents {
		if s.agents[a].dirtyOld {
			return true
		}
	}
	return false
}

func (s *state) anyLate() bool {
	for _, l := range s.late {
		if l.call.Kind != rules.NoCall {
			return true
		}
	}
	return false
}

// locks lets a lock's time to live pass: nobody holds it any more, and the
// stores forget it.
func (w *walker) locks(s *state) {
	for g := uint8(1); g <= s.ledger.grants; g++ {
		r := &s.ledger.grant[g-1]
		stands := s.lock[oldOfA] == g || s.lock[inNew] == g || s.lock[oldOfB] == g
		if !r.out && !stands || s.locking(g) {
			continue
		}
		n := *s
		n.ledger.held &^= bit(g)
		n.ledger.grant[g-1].out = false
		for i := range n.lock {
			if n.lock[i] == g {
				n.lock[i] = 0
			}
		}
		w.emit(&n, "lock %d runs out", g)
	}
}

// locking tells whether that grant is still being asked for.
func (s *state) locking(g uint8) bool {
	for i := range s.clients {
		p := &s.clients[i]
		if p.m.Active() && p.val == g && p.m.Op() == rules.Lock {
			return true
		}
	}
	return false
}

// crashes lets an agent die and come back at once, without its memory.
func (w *walker) crashes(s *state) {
	if s.crashes == 0 {
		return
	}
	for a := range uint8(agents) {
		if s.fleet.agents[a].stopped {
			continue
		}
		w.crash(s, a, false)
		if s.freeLate() >= 0 && s.pendingChange(a) != nil {
			w.crash(s, a, true)
		}
	}
}

func (s *state) pendingChange(a uint8) *proc {
	for i := 0; i < clients+agents; i++ {
		p := s.proc(i)
		if p.m.Active() && p.agent == a && p.m.Calls()[0].Kind.Changes() {
			return p
		}
	}
	return nil
}

func (w *walker) crash(s *state, a uint8, pending bool) {
	n := *s
	n.crashes--
	if pending { // what was on its way may still arrive
		n.pend(a)
	}
	n.unclean(s, a)
	n.drop(a)
	n.tasks[copier] = proc{} // it cannot tell what the agent forgot: it begins again
	if w.cfg.fleet() {
		w.restart(&n, a, pending)
		return
	}
	label := "%s crashes and comes back empty"
	if pending {
		label += ", its last call still on the way"
	}
	w.emit(&n, label, agentName(a))
}

// pend leaves an agent's outstanding change on the way to its store.
func (s *state) pend(a uint8) {
	p := s.pendingChange(a)
	c := p.m.Calls()[0]
	t := p.token(c.Side)
	s.late[s.freeLate()] = late{call: c, agent: a, host: p.host, val: p.val, src: p.source(c.Side), token: t}
}

// unclean takes an agent's memory. What was queued, or dirty without a mark, is
// forgotten: nothing is known to be verified any more.
func (s *state) unclean(was *state, a uint8) {
	ag := &s.agents[a]
	if (was.queued(a, nobody) || ag.dirtyNew) && !rules.Dropped(rules.CrashMakesDirty) {
		s.verified = 0
	}
	if ag.dirtyOld && !rules.Dropped(rules.CrashMakesDirty) {
		s.reversed = 0
	}
	*ag = agent{rev: ag.rev}
}

// drop ends what an agent was doing, without an answer to anybody.
func (s *state) drop(a uint8) {
	for i := range s.clients {
		if s.clients[i].m.Active() && s.clients[i].agent == a {
			s.clients[i] = proc{}
		}
	}
	s.tasks[a] = proc{}
	if s.record&(1<<a) != 0 { // another life's, that nobody takes out but who moves the ramp
		s.record = s.record&^(1<<a) | recordOthers
	}
	s.listed, s.leased = s.listed&^(1<<a), s.leased&^(1<<a)
}

// expiry lets new evict, and tombstones end: they outlive every copy and every unknown call.
func (w *walker) expiry(s *state) {
	if s.losses > 0 && s.val[oldOfA] != 0 && !s.lost {
		n := *s
		n.losses--
		n.lost, n.val[oldOfA] = true, n.row
		n.modified(nil, oldOfA)
		// As without Crossfade: what it had alone is lost, and older writes are
		// all that is left.
		n.ledger.kept = n.ledger.started &^ n.ledger.deletes
		w.emit(&n, "old's fast tier loses the session, the slow one has %s", heldName(n.row))
	}
	if s.evictions > 0 && s.val[inNew] != 0 {
		n := *s
		n.evictions--
		n.val[inNew] = 0
		n.modified(nil, inNew)
		w.emit(&n, "new throws the session out")
	}
	for side := range s.tomb {
		if !s.tomb[side] {
			continue
		}
		if !rules.Dropped(rules.TombstoneOutlives) {
			if w.cfg.HostScoped && s.val[oldOfA]|s.val[oldOfB] != 0 && !rules.Dropped(rules.HostTombstonesLast) {
				continue // as long as a copy on any host lives
			}
			if s.anyLate() || s.copying() || s.behind[0] || s.behind[1] {
				continue
			}
		}
		n := *s
		n.tomb[side] = false
		w.emit(&n, "tombstone in %s ends", place(side))
	}
}

// copying tells whether something is under way that may write to a store what it
// has read before from the other: what a copier waits for before it begins.
func (s *state) copying() bool {
	for i := 0; i < clients+agents+1; i++ {
		p := s.proc(i)
		if p.m.Active() && (p.copies() || p.m.Op() == rules.Touch || p.m.Op() == rules.Edit || isMirror(p.m.Op())) {
			return true
		}
	}
	return false
}

func (p Phase) inNew() bool {
	switch p.Position {
	case position.ReadNew, position.Sealed, position.Cutover, position.Back:
		return true
	}
	return false
}
