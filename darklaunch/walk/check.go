package walk

import (
	"fmt"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Promise is one that a history broke.
type Promise string

const (
	NoLogout       Promise = "P1 no logout"
	NoLostWrite    Promise = "P2 no lost write"
	NoResurrection Promise = "P3 no resurrection"
	NewHurtsNobody Promise = "P4 new never hurts old"
	OneHolder      Promise = "locks: one holder"
	OneEdit        Promise = "edits: one of each session"
	// What the promises rest on.
	OneApart   Promise = "fleet: one step apart"
	OneContent Promise = "fleet: one content an epoch"
)

// Violation says what was broken and how it showed.
type Violation struct {
	Promise Promise
	Text    string
}

func (v *Violation) String() string { return string(v.Promise) + ": " + v.Text }

// deleting: a delete is under way, or was never answered.
func (l *ledger) deleting() bool { return l.deletes&l.started&^l.acked != 0 }

// missingAllowed: some delete may have been the last write.
func (l *ledger) missingAllowed(forbidden uint8) bool {
	return l.deletes&l.started&^forbidden != 0
}

// liveAllowed: some session may be there.
func (l *ledger) liveAllowed(forbidden uint8) bool {
	return l.started&^l.deletes&^forbidden != 0
}

// read judges what a read returned: v, or 0 for missing.
func (l *ledger) read(v, forbidden uint8) *Violation {
	forbidden &^= l.kept
	if l.deleting() {
		forbidden &^= l.hidden
	}
	if v == 0 {
		if !l.missingAllowed(forbidden) {
			return &Violation{NoLogout, "answered that there is no session, but it lives"}
		}
		return nil
	}
	if l.placed&bit(v) != 0 && l.placed&l.started&^(forbidden|l.refused) != 0 {
		return nil // all adds write the same bytes: it may be a later one's
	}
	if l.refused&bit(v) != 0 {
		// A refused add is a write without acknowledgement; it may show where
		// nothing lives, never in the place of what does.
		if !l.missingAllowed(forbidden) {
			return &Violation{NoLogout, fmt.Sprintf("answered value %d, a refused add, in the place of what lives", v)}
		}
		return nil
	}
	if forbidden&bit(v) == 0 {
		return nil
	}
	if l.deletes&l.acked&^forbidden != 0 {
		return &Violation{NoResurrection, fmt.Sprintf("answered value %d, deleted since", v)}
	}
	return &Violation{NoLostWrite, fmt.Sprintf("answered value %d, overwritten since", v)}
}

// finish judges the reply of a client's operation, and of a copy notes that it
// is done.
func (w *walker) finish(n *state, p *proc, i int) *Violation {
	l := &n.ledger
	r := p.m.Reply()
	if i >= clients {
		if i-clients == copier && r == rules.Finished {
			if p.m.Op() == rules.CopyBack {
				n.reversed |= 1 << p.host
				for a := range n.agents {
					if w.host(uint8(a)) == p.host {
						n.agents[a].dirtyOld, n.agents[a].oldAgain = n.agents[a].oldAgain, false
					}
				}
				if n.reversed == w.cfg.hosts() { // old is whole: the records go
					n.behind = [agents]bool{}
				}
			} else {
				n.verified |= 1 << p.host
			}
		}
		return nil
	}
	if r == rules.Error && p.m.Op() != rules.Edit && unfenced(p) && n.faultsOld == uint8(w.cfg.FaultsOld) {
		return &Violation{NewHurtsNobody, "an error, though old did not fail"}
	}
	switch p.m.Op() {
	case rules.Get:
		return judgeGet(l, p, p.snap)
	case rules.Set, rules.Delete:
		if r == rules.Done || r == rules.Missing {
			l.ack(p.val, p.snap)
		}
	case rules.Touch:
		switch r {
		case rules.Missing:
			return l.read(0, p.snap)
		case rules.Done:
			if !l.liveAllowed(p.snap) {
				return &Violation{NoResurrection, "a touch found what was deleted"}
			}
		}
	case rules.Add:
		return judgeAdd(w, l, p, r)
	case rules.Edit:
		if r == rules.Done {
			return l.edited(p)
		}
	case rules.Lock:
		if r == rules.Done {
			return l.granted(p)
		}
	case rules.Unlock:
		if r == rules.Done {
			l.grant[p.val-1].out = false
		}
	}
	return nil
}

// unfenced: the operation belongs to old alone.
func unfenced(p *proc) bool {
	return p.m.Position() == position.Off || p.m.Position() == position.Mirror
}

func judgeGet(l *ledger, p *proc, forbidden uint8) *Violation {
	switch p.m.Reply() {
	case rules.HitOld:
		return l.read(p.reg[rules.Old], forbidden)
	case rules.HitNew:
		return l.read(p.reg[rules.New], forbidden)
	case rules.Missing:
		return l.read(0, forbidden)
	}
	return nil
}

// ack notes an acknowledged write: what was acknowledged before it began may
// not be returned any more.
func (l *ledger) ack(v, before uint8) {
	l.acked |= bit(v)
	l.superseded |= before &^ bit(v)
	if l.deletes&bit(v) != 0 {
		l.kept &^= before
	}
}

func judgeAdd(w *walker, l *ledger, p *proc, r rules.Reply) *Violation {
	switch r {
	case rules.Done:
		if !l.missingAllowed(p.snap) {
			return &Violation{NoLogout, "an add was told that the id is free, but it lives"}
		}
		l.adds++
		if l.adds > 1 && l.deletes&l.started&^1 == 0 { // nobody deleted anything
			return &Violation{NoLogout, "two adds were told that the id is free"}
		}
		l.ack(p.val, p.early)
	case rules.Refused:
		l.refused |= bit(p.val)
		// A refusal returns nothing, and is the price of a failing store, and of
		// sealed, where either store's having the id refuses it, and of what another
		// host still holds.
		priced := p.m.Position() == position.Sealed || w.cfg.Faults > 0 || w.cfg.HostScoped
		if !l.liveAllowed(p.snap|bit(p.val)) && !priced {
			return &Violation{NoResurrection, "an add was refused for what was deleted"}
		}
	}
	return nil
}

func (l *ledger) granted(p *proc) *Violation {
	g := &l.grant[p.val-1]
	g.agent, g.rev, g.out = p.agent, p.rev, true
	g.where = p.m.Grants()
	l.held |= bit(p.val)
	if l.held != bit(p.val) {
		return &Violation{OneHolder, "two hold the lock"}
	}
	return nil
}

// probe reads the session at each agent, at once and without a fault: what a
// client that comes now is told.
func (n *state) probe(w *walker) *Violation {
	if n.ledger.grants > 0 {
		return nil // lock walks have no sessions to look at
	}
	for a := range uint8(agents) {
		if !n.reachable(w, a) {
			continue
		}
		p := proc{agent: a, tokens: [2]token{{at: nobody}, {at: nobody}}}
		p.host = w.host(a)
		p.m = rules.Start(rules.Get, w.phase(n.agents[a].rev).Position, w.envOf(n, a))
		for p.m.Running() {
			for j, c := range p.m.Calls() {
				if c.Kind == rules.NoCall {
					continue
				}
				if c.Side == rules.Old && w.phase(n.rev).OldDead {
					p.m.Answer(j, rules.Err)
				} else {
					p.m.Answer(j, w.apply(n, &p, c))
				}
				break
			}
		}
		if v := judgeGet(&n.ledger, &p, n.ledger.superseded); v != nil {
			v.Text = "a client that reads at " + agentName(a) + " is " + v.Text
			return v
		}
	}
	return nil
}
