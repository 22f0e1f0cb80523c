package walk

import (
	"fmt"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// walker makes the successors of states. Each worker has one of its own.
type walker struct {
	cfg    *Config
	env    []rules.Env // of each phase
	out    []state
	only   Promise    // the one that is looked at; empty: all
	broken *Violation // found while making the last successor
	// explain makes labels for the successors, for a history.
	explain bool
	labels  []string
}

// outcome is how a call ends.
type outcome uint8

const (
	answered    outcome = iota
	failed              // it did not happen
	lostApplied         // it happened, the answer did not come in time
	lostPending         // it may happen later, or never
	dead                // the store is not there: it did not happen
)

// successors makes every state that one step leads to. It stops at the first
// violation.
func (w *walker) successors(s *state) {
	w.out, w.labels, w.broken = w.out[:0], w.labels[:0], nil
	w.starts(s)
	for i := range s.clients {
		w.calls(s, i)
	}
	for i := range s.tasks {
		w.calls(s, clients+i)
	}
	w.lateCalls(s)
	w.background(s)
	w.revisions(s)
	w.locks(s)
	w.crashes(s)
	w.expiry(s)
	w.leases(s)
}

// emit adds a successor, after looking at what a reader would see in it.
func (w *walker) emit(n *state, format string, args ...any) {
	if w.broken != nil {
		return
	}
	if v := n.probe(w); v != nil && w.looksAt(v) {
		w.broken = v
	} else if w.cfg.fleet() {
		if v := n.together(w); v != nil && w.looksAt(v) {
			w.broken = v
		}
	}
	n.canonical()
	w.out = append(w.out, *n)
	if w.explain {
		l := fmt.Sprintf(format, args...)
		if w.broken != nil {
			l += ": " + w.broken.Text
		}
		w.labels = append(w.labels, l)
	}
}

func (w *walker) looksAt(v *Violation) bool { return w.only == "" || w.only == v.Promise }

// violated ends the walk with the step that is being made.
func (w *walker) violated(n *state, v *Violation, format string, args ...any) {
	if w.broken != nil {
		return
	}
	if !w.looksAt(v) {
		w.emit(n, format, args...)
		return
	}
	w.broken = v
	n.canonical()
	w.out = append(w.out, *n)
	if w.explain {
		w.labels = append(w.labels, fmt.Sprintf(format, args...)+": "+v.Text)
	}
}

func (s *state) proc(i int) *proc {
	if i < clients {
		return &s.clients[i]
	}
	return &s.tasks[i-clients]
}

// calls lets each outstanding call of one operation end, in every way.
func (w *walker) calls(s *state, i int) {
	p := s.proc(i)
	if !p.m.Active() {
		return
	}
	for j, c := range p.m.Calls() {
		if c.Kind == rules.NoCall || w.broken != nil {
			continue
		}
		if i < clients && c.Side == rules.New && unfenced(p) {
			w.violated(s, &Violation{NewHurtsNobody, "a client waits for new"}, "%s asks new", agentName(p.agent))
			return
		}
		if c.Kind == rules.AgainCall {
			w.call(s, i, j, c, answered)
			w.call(s, i, j, c, failed)
			continue
		}
		if c.Kind == rules.LeaseCall {
			if s.leased == 0 {
				w.call(s, i, j, c, answered)
			}
			continue
		}
		if c.Kind == rules.WaitCall {
			if s.readsBefore(i - clients) {
				continue
			}
			w.call(s, i, j, c, answered)
			continue
		}
		if c.Side == rules.Old && w.phase(s.rev).OldDead {
			w.call(s, i, j, c, dead)
			continue
		}
		w.call(s, i, j, c, answered)
		left := s.faultsOld
		if c.Side == rules.New {
			left = s.faultsNew
		}
		if left == 0 || s.faults == 0 {
			continue
		}
		w.call(s, i, j, c, failed)
		if c.Kind.Changes() && s.lates > 0 && s.freeLate() >= 0 {
			w.call(s, i, j, c, lostApplied)
			w.call(s, i, j, c, lostPending)
		}
	}
}

func (w *walker) call(s *state, i, j int, c rules.Call, o outcome) {
	n := *s
	p := n.proc(i)
	a, did := rules.Err, ""
	if w.explain {
		did = p.does(c)
	}
	if o != answered && o != dead && !c.Kind.Local() {
		n.fault(c.Side)
	}
	switch o {
	case answered:
		held := n.val[inNew]
		a = w.apply(&n, p, c)
		if a == rules.OK && c == (rules.Call{Kind: rules.SwapCall, Side: rules.New}) && s.lost && n.val[inNew] == s.row && s.row < held {
			w.violated(&n, &Violation{NoLostWrite, fmt.Sprintf("value %d, which old's slow tier had kept, was put over value %d", n.val[inNew], held)},
				"%s %s", n.who(i), p.does(c))
			return
		}
	case lostApplied, lostPending:
		a = rules.Unknown
		t := p.token(c.Side)
		l := late{call: c, agent: p.agent, host: p.host, val: p.val, src: p.source(c.Side), token: t}
		if o == lostApplied {
			w.apply(&n, p, c)
			l.applied = true
		}
		n.lates--
		n.late[n.freeLate()] = l
	}
	p.m.Answer(j, a)
	w.effects(&n, p, i)
	wrong := w.asked(&n, p)
	label, args := "%s %s%s", []any{}
	if w.explain {
		args = []any{n.who(i), did, p.came(c, a, o)}
	}
	if w.explain && w.cfg.NoMarks && c.Kind == rules.PutMarkCall {
		label += ": nothing is kept"
	}
	if wrong != nil {
		w.violated(&n, wrong, label, args...)
		return
	}
	if p.m.Running() {
		w.emit(&n, label, args...)
		return
	}
	if w.explain && i < clients {
		label += "; the client is told: %s"
		args = append(args, told(p))
	}
	v := w.finish(&n, p, i)
	*n.proc(i) = proc{}
	if v != nil {
		w.violated(&n, v, label, args...)
		return
	}
	w.emit(&n, label, args...)
}

func (s *state) fault(side rules.Side) {
	s.faults--
	if side == rules.New {
		s.faultsNew--
	} else {
		s.faultsOld--
	}
}

func (s *state) freeLate() int {
	for i := range s.late {
		if s.late[i].call.Kind == rules.NoCall {
			return i
		}
	}
	return -1
}

// effects is the agent's memory.
func (w *walker) effects(n *state, p *proc, i int) {
	fx := p.m.TakeEffects()
	if i-clients == copier {
		return
	}
	if c := p.m.Calls()[0]; c.Kind == rules.WaitCall {
		for k := range n.clients {
			if r := &n.clients[k]; r.m.Op() == rules.Get && r.m.Running() {
				r.early |= 1 << (i - clients)
			}
		}
	}
	if fx == 0 {
		return
	}
	a := &n.agents[p.agent]
	repairing := n.tasks[p.agent].m.Op() == rules.Repair
	if fx&rules.DirtyNew != 0 {
		a.dirtyNew, a.again = true, repairing
	}
	if fx&rules.CleanNew != 0 {
		a.dirtyNew, a.again = a.again, false
	}
	if fx&rules.DirtyOld != 0 {
		a.dirtyOld, a.oldAgain = true, n.tasks[copier].m.Op() == rules.CopyBack
	}
	if fx&rules.QueueRefill != 0 && n.ledger.placed&bit(p.reg[rules.Old]) == 0 { // empty sessions are not refilled
		a.refill = true
	}
	if fx&rules.QueueWrite != 0 {
		op := rules.MirrorSet
		switch p.m.Op() {
		case rules.Edit:
			if p.m.Removes() {
				op = rules.MirrorDelete
			}
		case rules.Delete:
			op = rules.MirrorDelete
		case rules.Touch:
			op = rules.MirrorTouch
		}
		w.enqueue(n, p, queued{op, p.val, p.rev})
	}
}

// enqueue puts a write at the end of the agent's queue; a full one makes the
// session dirty instead.
func (w *walker) enqueue(n *state, p *proc, q queued) {
	a := &n.agents[p.agent]
	for k := range a.queue {
		if a.queue[k].op == rules.None {
			a.queue[k] = q
			return
		}
	}
	if p.m.Position() == position.Cutover {
		a.dirtyOld, a.oldAgain = true, n.tasks[copier].m.Op() == rules.CopyBack
	} else {
		a.dirtyNew = true
	}
}

// readsBefore tells whether a read is under way that began before the repair of
// that agent swapped.
func (s *state) readsBefore(task int) bool {
	for i := range s.clients {
		if s.clients[i].m.Op() == rules.Get && s.clients[i].early&(1<<task) != 0 {
			return true
		}
	}
	return false
}

// lateCalls lets calls that were given up arrive, and lets the doubt end.
func (w *walker) lateCalls(s *state) {
	for i := range s.late {
		l := &s.late[i]
		if l.call.Kind == rules.NoCall {
			continue
		}
		if !l.applied {
			n := *s
			// A refill writes what its register holds: here what the call would write.
			p := proc{m: rules.Start(rules.Refill, position.Cutover, 0), agent: l.agent, val: l.val,
				tokens: [2]token{l.token}, host: l.host}
			p.reg[l.call.Side.Other()] = l.src
			n.late[i].applied = true
			w.apply(&n, &p, l.call)
			did := ""
			if w.explain {
				did = p.does(l.call)
			}
			w.emit(&n, "late: %s %s", agentName(l.agent), did)
		}
		n := *s
		n.late[i] = late{}
		w.emit(&n, "%s learns that its call to %s can no longer arrive", agentName(l.agent), l.call.Side)
	}
}
