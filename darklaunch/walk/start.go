package walk

import (
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// starts lets a client begin an operation at an agent.
func (w *walker) starts(s *state) {
	if s.ops == 0 {
		return
	}
	slot := -1
	for i := range s.clients {
		if !s.clients[i].m.Active() {
			slot = i
			break
		}
	}
	if slot < 0 {
		return
	}
	for a := range uint8(agents) {
		if !s.reachable(w, a) {
			continue
		}
		for _, k := range w.cfg.Kinds {
			w.start(s, slot, a, k)
		}
	}
}

func (w *walker) start(s *state, slot int, a uint8, op rules.Op) {
	if op != rules.Edit {
		w.startOne(s, slot, a, op, 0)
		return
	}
	for _, does := range w.cfg.edits() {
		w.startOne(s, slot, a, op, does)
	}
}

func (w *walker) startOne(s *state, slot int, a uint8, op rules.Op, does wants) {
	if op == rules.Unlock {
		w.startUnlocks(s, slot, a)
		return
	}
	if op.Writes() && !s.mayWrite(w, a) {
		return
	}
	if op == rules.Lock && s.ledger.grants == maxGrants {
		return
	}
	n := *s
	n.ops--
	ag := &n.agents[a]
	l := &n.ledger
	p := proc{agent: a, host: w.host(a), rev: ag.rev}
	switch {
	case op == rules.Lock:
		l.grants++
		p.val = l.grants
	case op == rules.Touch:
		p.val = l.writes // numbers the mark; a touch is no write of its own
	case op.Writes():
		l.writes++
		p.val = l.writes
		l.started |= bit(p.val)
		switch op {
		case rules.Delete:
			l.deletes |= bit(p.val)
		case rules.Add:
			l.placed |= bit(p.val)
		case rules.Edit:
			l.edits |= bit(p.val)
			p.edit.does = does
			if does == removesIt {
				l.deletes |= bit(p.val)
			}
		}
	}
	p.snap = l.acked
	if !op.Writes() || op == rules.Touch || op == rules.Add || op == rules.Edit {
		p.snap = l.superseded
	}
	if l.deleting() && (op == rules.Get || op == rules.Touch || op == rules.Edit) {
		p.snap &^= l.hidden
	}
	if op == rules.Delete {
		for i := range n.clients {
			if r := &n.clients[i]; r.m.Op() == rules.Get || r.m.Op() == rules.Touch || r.m.Op() == rules.Edit {
				r.snap &^= l.hidden
			}
		}
	}
	if op == rules.Add || op == rules.Edit {
		p.early = l.acked // it is judged as a read and as a write
	}
	p.m = rules.Start(op, w.phase(ag.rev).Position, w.envOf(s, a))
	n.clients[slot] = p
	if !w.explain { // the words cost more than the step
		w.emit(&n, "")
		return
	}
	w.emit(&n, "a client at %s (%s) %s", agentName(a), w.phase(ag.rev).Position, asks(op, p.val))
}

// envOf is what the agent knows when an operation begins.
func (w *walker) envOf(s *state, a uint8) rules.Env {
	e := w.envAt(s.agents[a].rev)
	if s.behind[a] {
		e |= rules.Behind
	}
	if s.leased&(1<<a) != 0 {
		e |= rules.CleanLease
	}
	return e
}

// mayWrite: one write of a session at a time inside an agent, and one that goes
// to both stores waits for what is queued.
func (s *state) mayWrite(w *walker, a uint8) bool {
	if !rules.Dropped(rules.WritesAreSerial) {
		for i := range s.clients {
			if p := &s.clients[i]; p.m.Active() && p.agent == a && p.m.Op().Writes() {
				return false
			}
		}
	}
	switch w.phase(s.agents[a].rev).Position {
	case position.Off, position.Mirror, position.Cutover:
		return true
	}
	return !s.queued(a, nobody)
}

// queued tells whether writes of the agent, of a revision below rev, are queued
// or being delivered.
func (s *state) queued(a, rev uint8) bool {
	for _, q := range s.agents[a].queue {
		if q.op != rules.None && q.rev < rev {
			return true
		}
	}
	t := &s.tasks[a]
	return t.m.Active() && t.rev < rev && isMirror(t.m.Op())
}

func isMirror(op rules.Op) bool {
	return op == rules.MirrorSet || op == rules.MirrorTouch || op == rules.MirrorDelete
}

func (w *walker) startUnlocks(s *state, slot int, a uint8) {
	for g := uint8(1); g <= s.ledger.grants; g++ {
		if s.ledger.held&bit(g) == 0 || s.ledger.grant[g-1].agent != a {
			continue
		}
		n := *s
		n.ops--
		n.ledger.held &^= bit(g)
		ag := &n.agents[a]
		pos := w.phase(ag.rev).Position
		n.clients[slot] = proc{agent: a, host: w.host(a), rev: ag.rev, val: g, m: rules.StartUnlock(pos, s.ledger.grant[g-1].where)}
		w.emit(&n, "a client at %s (%s) gives the lock back (grant %d)", agentName(a), pos, g)
	}
}

// background lets agents begin what follows from operations, and the copier its
// copies.
func (w *walker) background(s *state) {
	for a := range uint8(agents) {
		if s.tasks[a].m.Active() || s.fleet.agents[a].stopped {
			continue
		}
		ag := &s.agents[a]
		pos := w.phase(ag.rev).Position
		if q := ag.queue[0]; q.op != rules.None {
			n := *s
			m := &n.agents[a]
			copy(m.queue[:], m.queue[1:])
			m.queue[queueSize-1] = queued{}
			n.tasks[a] = proc{agent: a, host: w.host(a), rev: q.rev, val: q.val, m: rules.Start(q.op, w.phase(q.rev).Position, w.envAt(q.rev))}
			w.emit(&n, "%s begins to deliver a %s to the other store", agentName(a), q.op)
		}
		if ag.refill && pos == position.ReadNew {
			n := *s
			n.agents[a].refill = false
			if s.behind[a] {
				w.emit(&n, "%s makes no refill while old is behind", agentName(a))
			} else {
				w.task(&n, a, rules.Refill)
			}
		}
		recovering := w.envAt(ag.rev)&rules.Recovering != 0
		if ag.dirtyNew && s.mayRepair(a) && !recovering &&
			(pos == position.Fenced || pos == position.ReadNew || rules.Dropped(rules.NoCopyWhileSealed) && pos == position.Sealed) {
			n := *s
			n.agents[a].again = false
			w.task(&n, a, rules.Repair)
		}
	}
	// The copier waits until what agents copied before the last acknowledgement
	// has ended: a source read before a delete that nobody remembers may be on
	// its way.
	if !s.tasks[copier].m.Active() && s.allAcked(w) && s.fleet.still() && (!s.copying() || rules.Dropped(rules.BarrierBeforeCopy)) {
		ph := w.phase(s.rev)
		switch {
		case (ph.Position == position.Fenced || rules.Dropped(rules.NoCopyWhileSealed) && ph.Position == position.Sealed) && (s.verified&^purged != w.cfg.hosts() || rules.Dropped(rules.NoCopyWhileSealed)):
			if w.cfg.HostScoped && s.verified&purged == 0 && !rules.Dropped(rules.HostPurgesFirst) {
				n := *s
				n.verified |= purged
				n.remove(&n.tasks[copier], inNew)
				w.emit(&n, "the copier removes what new holds")
				break
			}
			w.copies(s, rules.Copy, s.verified&^purged)
		case (ph.Position == position.Back || ph.Env&rules.Recovering != 0) && (s.reversed != w.cfg.hosts() || s.dirtyOld()):
			w.copies(s, rules.CopyBack, s.reversed)
		}
	}
}

func (s *state) mayRepair(a uint8) bool {
	if s.queued(a, nobody) && !rules.Dropped(rules.RepairWaitsForQueue) {
		return false
	}
	return rules.Dropped(rules.RepairWaitsForOwnCall) || !s.unknown(a, rules.Old) && !s.unknown(a, rules.New)
}

func (w *walker) task(n *state, a uint8, op rules.Op) {
	rev := n.agents[a].rev
	n.tasks[a] = proc{agent: a, host: w.host(a), rev: rev, m: rules.Start(op, w.phase(rev).Position, w.envAt(rev))}
	w.emit(n, "%s begins a %s", agentName(a), op)
}

// copies lets the copier begin on a host: one where it has not been, or any
// once it has been everywhere.
func (w *walker) copies(s *state, op rules.Op, done uint8) {
	for h := range uint8(agents) {
		if w.cfg.hosts()&(1<<h) == 0 || done != w.cfg.hosts() && done&(1<<h) != 0 {
			continue
		}
		n := *s
		if op == rules.CopyBack {
			for a := range n.agents {
				if w.host(uint8(a)) == h {
					n.agents[a].oldAgain = false
				}
			}
		}
		n.tasks[copier] = proc{agent: nobody, host: h, rev: n.rev, m: rules.Start(op, w.phase(n.rev).Position, w.envAt(n.rev))}
		w.emit(&n, "the copier%s begins a %s", hostName(w, h), op)
	}
}

func hostName(w *walker, h uint8) string {
	if !w.cfg.HostScoped {
		return ""
	}
	return " on " + agentName(h) + "'s host"
}
