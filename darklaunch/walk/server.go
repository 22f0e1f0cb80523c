package walk

import "github.com/seed-41165957/crossfade/darklaunch/rules"

// server lets whoever leads publish, be killed, and be followed by another.
func (w *walker) server(s *state) {
	f := &s.fleet
	if f.slow.done != rules.NotBegun {
		w.slowServer(s)
	} else if f.rollbacks > 0 {
		w.viaStore(s)
	}
	if !f.still() {
		w.publishes(s)
		w.killed(s)
		return
	}
	if w.takesUp(s) || epochOf(s.rev) == 14 {
		return
	}
	if f.owed > 0 {
		if s.mayFollow(true) {
			w.begins(s, s.rev+oneIdle, f.roster(), "begins a revision in which nothing moves")
		}
		return
	}
	if w.hasNext(s.rev) && s.gate(w, s.rev+oneOn) {
		w.begins(s, s.rev+oneOn, f.roster(), "begins a step")
	}
}

// takesUp lets a server go on with what another one began: it publishes that
// again, with the same content.
func (w *walker) takesUp(s *state) bool {
	f := &s.fleet
	from := rules.ResumesFrom(epochOf(s.rev), epochOf(f.intended), epochOf(f.note[0]), epochOf(f.note[1]))
	listed := [...]uint8{f.listed[0], f.listed[1], f.meant}
	for i, rev := range []uint8{f.note[0], f.note[1], f.intended} {
		if epochOf(rev) == from && rev > s.rev {
			w.begins(s, rev, listed[i], "finds that this was begun, and goes on with it")
			return true
		}
	}
	if f.pushed < s.rev {
		w.begins(s, s.rev, f.named, "finds that this may not be known to all, and publishes it again")
		return true
	}
	return false
}

func (w *walker) begins(s *state, target, listed uint8, how string) {
	n := *s
	n.fleet.server = publishing{target: target, listed: listed, done: rules.NotBegun.Next()}
	if n.fleet.server.done == rules.Intended {
		n.fleet.intended, n.fleet.meant = target, listed
	} else {
		n.take(w, &n.fleet.server)
	}
	n.tasks[copier] = proc{}
	w.emit(&n, "the server %s: revision %d, %s", how, epochOf(target), w.phase(target))
}

// publishes makes the next step of a publication.
func (w *walker) publishes(s *state) {
	n := *s
	p := &n.fleet.server
	p.done = p.done.Next()
	if p.done == rules.NotBegun {
		*p = publishing{}
		w.emit(&n, "the server has published")
		return
	}
	at := *p
	if !n.take(w, p) {
		*p = publishing{}
		w.emit(&n, "the server finds a higher note, and gives way")
		return
	}
	w.emit(&n, "revision %d %s", epochOf(at.target), [...]string{rules.NotedOld: "stands in old's note", rules.NotedNew: "stands in new's note",
		rules.Recorded: "is in the record", rules.Pushed: "is given to agents"}[at.done])
}

// take makes the step in which a publication is. It fails where a note of
// another revision stands that is not lower.
func (s *state) take(w *walker, p *publishing) bool {
	f := &s.fleet
	switch p.done {
	case rules.NotedOld, rules.NotedNew:
		side := rules.Old
		if p.done == rules.NotedNew {
			side = rules.New
		}
		return f.raise(side, p.target, p.listed)
	case rules.Recorded:
		if p.target > s.rev {
			f.before, f.named = s.rev, p.listed
			s.publish(w, p.target)
			if f.owed > 0 && contentOf(p.target) == contentOf(f.before) {
				f.owed--
			}
		}
	case rules.Pushed:
		f.pushed = p.target
	}
	return true
}

// raise writes a note, or finds that this revision stands there already.
func (f *fleet) raise(side rules.Side, rev, listed uint8) bool {
	if f.note[side] == rev {
		return true
	}
	if !rules.RaisesNote(epochOf(f.note[side]), epochOf(rev)) {
		return false
	}
	f.note[side], f.listed[side] = rev, listed
	return true
}

// killed ends a server in the middle of a publication. It may be gone, or only
// stopped: then it writes its notes later.
func (w *walker) killed(s *state) {
	if s.fleet.kills == 0 {
		return
	}
	n := *s
	n.fleet.kills--
	n.fleet.server = publishing{}
	w.emit(&n, "the server is killed")
	if s.fleet.slow.done != rules.NotBegun {
		return
	}
	n = *s
	n.fleet.kills--
	n.fleet.slow, n.fleet.server = n.fleet.server, publishing{}
	w.emit(&n, "the server stops for a long time, and another leads")
}

// slowServer is whoever writes notes without the leader's lock: a server that
// was stopped and wakes, or an operator at the stores. The record refuses it,
// the notes take it as they take anybody.
func (w *walker) slowServer(s *state) {
	n := *s
	p := &n.fleet.slow
	p.done = p.done.Next()
	switch p.done {
	case rules.NotedOld, rules.NotedNew:
		side := rules.Old
		if p.done == rules.NotedNew {
			side = rules.New
		}
		at := *p
		if !n.fleet.raise(side, at.target, at.listed) {
			*p = publishing{}
		}
		w.emit(&n, "another than the leader writes the note of revision %d in %s", epochOf(at.target), side)
	default:
		*p = publishing{}
		w.emit(&n, "another than the leader has no more to write")
	}
}

// viaStore lets an operator who reaches no server take a step back by the notes
// alone, also while the step is on its way or not acknowledged by all.
func (w *walker) viaStore(s *state) {
	f := &s.fleet
	top := max(s.rev, f.note[0], f.note[1])
	beside := f.before
	switch {
	case epochOf(top) == 14:
		return
	case top > s.rev:
		beside = s.rev
	case s.mayFollow(false):
		beside = s.rev
	}
	for back := uint8(1); back <= 2 && back <= contentOf(top); back++ {
		to := top + oneIdle - back
		if !rules.MayOvertake(w.phase(to).Position, w.phase(top).Position, w.phase(beside).Position) || !s.open(w, top, to) {
			continue
		}
		n := *s
		n.fleet.rollbacks--
		n.fleet.slow = publishing{target: to, listed: f.roster(), done: rules.Intended}
		w.emit(&n, "the operator takes a step back by the stores alone: revision %d, %s", epochOf(to), w.phase(to))
	}
}
