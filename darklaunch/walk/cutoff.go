package walk

import "github.com/seed-41165957/crossfade/darklaunch/rules"

// fleet makes the steps of revisions on their way to agents.
func (w *walker) fleet(s *state) {
	for a := range uint8(agents) {
		if s.fleet.agents[a].stopped {
			continue
		}
		w.pushes(s, a)
		w.readsNote(s, a, rules.Old)
		w.readsNote(s, a, rules.New)
		w.cutOff(s, a)
	}
	w.losesNote(s)
	w.server(s)
}

// pushes gives a connected agent the newest revision.
func (w *walker) pushes(s *state, a uint8) {
	if f := &s.fleet.agents[a]; f.cut || s.agents[a].rev >= s.fleet.pushed {
		return
	}
	n := *s
	n.agents[a].rev = n.fleet.pushed
	w.emit(&n, "%s takes revision %d, %s", agentName(a), epochOf(n.fleet.pushed), w.phase(n.fleet.pushed))
}

// readsNote lets an agent look at one store's note.
func (w *walker) readsNote(s *state, a uint8, side rules.Side) {
	note := s.fleet.note[side]
	obey, stop := rules.TakesNote(epochOf(s.agents[a].rev), rules.Note{Epoch: epochOf(note), Listed: s.fleet.listed[side]&(1<<a) != 0})
	f := &s.fleet.agents[a]
	waits := f.forgotten && s.fleet.owed == 0 && f.read&(1<<side) == 0
	n := *s
	if f.forgotten && s.fleet.owed == 0 {
		n.fleet.agents[a].read |= 1 << side
	}
	switch {
	case stop:
		w.stops(s, a, side, false)
		if s.freeLate() >= 0 && s.pendingChange(a) != nil {
			w.stops(s, a, side, true)
		}
	case obey && note != s.agents[a].rev:
		n.agents[a].rev = note
		w.emit(&n, "%s finds revision %d, %s, in the note in %s, and takes it", agentName(a), epochOf(note), w.phase(note), side)
	case waits:
		w.emit(&n, "%s reads the note in %s, and goes on", agentName(a), side)
	}
}

// stops lets an agent serve nothing any more. What it had asked a store may
// still arrive there.
func (w *walker) stops(s *state, a uint8, side rules.Side, pending bool) {
	n := *s
	if pending {
		n.pend(a)
	}
	if n.fleet.agents[a].forgotten { // nobody hears what it had left to do
		n.agents[a] = agent{rev: n.agents[a].rev}
	} else {
		n.unclean(s, a)
	}
	n.drop(a)
	n.fleet.agents[a].stopped = true
	label := "%s finds revision %d in the note in %s, and stops"
	if pending {
		label += ", its last call still on the way"
	}
	w.emit(&n, label, agentName(a), epochOf(s.fleet.note[side]), side)
}

// cutOff lets an agent lose every server, acknowledge by a note of its own, and
// be forgotten.
func (w *walker) cutOff(s *state, a uint8) {
	f := &s.fleet.agents[a]
	switch {
	case !f.cut && s.fleet.cuts > 0:
		n := *s
		n.fleet.cuts--
		n.fleet.agents[a].cut = true
		if s.acked(a) { // what it told last is still known
			n.fleet.agents[a].noted = s.rev
		}
		w.emit(&n, "%s is cut off from the server", agentName(a))
	case f.cut && f.noted < s.agents[a].rev && s.settled(a, s.agents[a].rev):
		n := *s
		n.fleet.agents[a].noted = s.agents[a].rev
		w.emit(&n, "%s acknowledges revision %d in its own note", agentName(a), epochOf(s.agents[a].rev))
	}
	if f.cut && !f.forgotten && s.fleet.forgets > 0 && s.fleet.still() {
		n := *s
		n.fleet.forgets--
		n.fleet.agents[a].forgotten, n.fleet.agents[a].read = true, 0
		n.fleet.owed = uint8(rules.ForgettingTakes())
		if !rules.Dropped(rules.ForgetMakesDirty) {
			n.verified, n.reversed = 0, 0
		}
		n.tasks[copier] = proc{}
		w.emit(&n, "the operator forgets %s", agentName(a))
	}
}

// losesNote lets old be restarted or evict its note, and whoever leads write it
// again.
func (w *walker) losesNote(s *state) {
	f := &s.fleet
	if f.losses > 0 && f.note[rules.Old] != 0 {
		n := *s
		n.fleet.losses--
		n.fleet.note[rules.Old], n.fleet.listed[rules.Old] = 0, 0
		w.emit(&n, "old loses its note")
	}
	if f.note[rules.Old] == 0 && f.still() && f.pushed == s.rev && f.note[rules.New] <= s.rev {
		n := *s
		n.fleet.raise(rules.Old, s.rev, f.named)
		w.emit(&n, "the server writes the note of revision %d in old again", epochOf(s.rev))
	}
}

// restart lets an agent that crashed come back: with what it kept and what the
// notes say.
func (w *walker) restart(n *state, a uint8, pending bool) {
	f := &n.fleet
	kept := []uint8{n.agents[a].rev}
	if w.cfg.Fleet.Stale && n.agents[a].rev == n.rev && f.before != n.rev {
		kept = append(kept, f.before)
	}
	if !rules.Dropped(rules.NoteOfThisLife) {
		f.agents[a].noted = 0
	}
	for _, rev := range kept {
		c := *n
		var notes [2]rules.Note
		for side := range notes {
			notes[side] = rules.Note{Epoch: epochOf(f.note[side]), Listed: f.listed[side]&(1<<a) != 0}
		}
		epoch, ok := rules.StartsFrom(epochOf(rev), notes[:]...)
		for _, note := range f.note {
			if epochOf(note) == epoch {
				rev = note
			}
		}
		c.agents[a].rev, c.fleet.agents[a].stopped = rev, !ok
		label := "%s crashes and comes back empty, with revision %d"
		if !ok {
			label = "%s crashes, and is not let back with revision %d"
		}
		if pending {
			label += ", its last call still on the way"
		}
		w.emit(&c, label, agentName(a), epochOf(rev))
	}
}
