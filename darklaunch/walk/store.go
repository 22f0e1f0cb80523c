package walk

import (
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// apply is a store: it lets the call take effect, at this instant, and answers.
func (w *walker) apply(s *state, p *proc, c rules.Call) rules.Answer {
	side := p.place(c.Side)
	switch c.Kind {
	case rules.ReadCall:
		p.reg[c.Side] = s.val[side]
		switch {
		case s.val[side] != 0:
			if p.copies() && p.tokens[0].at != side && p.tokens[0].val() == s.val[side] {
				return rules.Same
			}
			if w.lags(s, p, c.Side) {
				return rules.Lags
			}
			if p.m.Op() == rules.Add && s.ledger.placed&bit(s.val[side]) != 0 {
				return rules.Same // what adds write is alike: an empty session
			}
			return rules.Hit
		case s.tomb[side]:
			return rules.Gone
		}
		return rules.Miss
	case rules.MarkCall:
		return w.marks(s, p)
	case rules.SetCall:
		s.put(p, side, p.source(c.Side))
		return rules.OK
	case rules.ReviveCall:
		s.tomb[side] = false
		s.put(p, side, p.source(c.Side))
		return rules.OK
	case rules.DeleteCall:
		if s.val[side] == 0 {
			return rules.No // and no token is spoiled: nothing was modified
		}
		return s.remove(p, side)
	case rules.BuryCall:
		s.tomb[side] = true
		return s.remove(p, side)
	case rules.TouchCall:
		switch {
		case s.val[side] != 0:
			s.modified(p, side)
			return rules.OK
		case s.tomb[side]:
			return rules.Gone
		}
		return rules.No
	case rules.AddCall, rules.AddUndoCall:
		if s.val[side] != 0 {
			return rules.No
		}
		s.tomb[side] = false
		s.put(p, side, p.val)
		if c.Kind == rules.AddUndoCall {
			p.tokens[0] = newToken(side, p.val, false)
		}
		return rules.OK
	case rules.UndoCall:
		if !p.tokens[0].good() && !rules.Dropped(rules.UndoByToken) {
			return rules.No
		}
		return s.remove(p, side)
	case rules.GuardCall:
		p.takeToken(newToken(side, s.val[side], s.tomb[side]))
		if p.m.Op() == rules.Edit {
			p.reg[c.Side] = s.val[side]
		}
		switch {
		case s.val[side] != 0:
			return rules.Hit
		case s.tomb[side]:
			return rules.Gone
		}
		return rules.Miss
	case rules.SwapCall:
		if !p.good(w.cfg, s, side) {
			return rules.No
		}
		s.tomb[side] = false
		s.put(p, side, p.source(c.Side))
		return rules.OK
	case rules.RemoveIfCall:
		if !p.good(w.cfg, s, side) {
			return rules.No
		}
		s.remove(p, side)
		return rules.OK
	case rules.BuryIfCall:
		if !p.good(w.cfg, s, side) {
			return rules.No
		}
		s.tomb[side] = true
		s.remove(p, side)
		return rules.OK
	case rules.PutMarkCall:
		if w.cfg.NoMarks {
			return rules.OK
		}
		if rules.Dropped(rules.MarkIsASet) {
			s.mark = [agents]uint8{}
		}
		named := s.mark[p.agent] & markCall
		if s.unknown(p.agent, rules.New) {
			named = markCall
		}
		s.mark[p.agent] = p.val | named
		return rules.OK
	case rules.ListCall:
		return s.list(p.agent)
	case rules.DropMarkCall:
		if rules.Dropped(rules.MarkIsASet) {
			s.mark = [agents]uint8{}
			return rules.OK
		}
		// An entry put since is another one, and stays.
		if s.mark[p.agent]&^markCall == p.seenMark&^markCall {
			s.mark[p.agent] = 0
		}
		return rules.OK
	case rules.BehindCall:
		s.behind[p.agent] = true
		return rules.OK
	case rules.LockCall:
		if s.lock[side] != 0 {
			return rules.No
		}
		s.lock[side] = p.val
		return rules.OK
	case rules.UnlockCall:
		if s.lock[side] != p.val && !rules.Dropped(rules.UnlockByToken) {
			return rules.No
		}
		s.lock[side] = 0
		return rules.OK
	}
	return rules.OK // a wait
}

// source is what a write to side writes: the client's value, or in a copy what
// the other side held.
func (p *proc) source(side rules.Side) uint8 {
	switch op := p.m.Op(); {
	case op == rules.Edit && p.m.CopiesOld():
	case op == rules.Set, op == rules.Add, op == rules.Edit, op == rules.MirrorSet:
		return p.val
	}
	return p.reg[side.Other()]
}

func (p *proc) copies() bool { return p.m.Op() >= rules.Refill }

// good tells whether the token still stands for what is there.
func (p *proc) good(c *Config, s *state, side place) bool {
	t := &p.tokens[0]
	if t.at != side {
		t = &p.tokens[1]
	}
	if rules.Dropped(rules.TokensAreUnique) {
		return s.val[side] == t.val()
	}
	if rules.Dropped(rules.SwapTestsTombstone) && t.val() == 0 {
		return s.val[side] == 0
	}
	if c.ByTombstone && t.val() == 0 && !t.gone() {
		return s.val[side] == 0 && !s.tomb[side]
	}
	return t.good()
}

func (s *state) put(p *proc, side place, v uint8) {
	s.val[side] = v
	if side == oldOfA {
		s.lost = false
		if s.row == 0 {
			s.row = v // its first write; then none for as long as the walk lasts
		}
	}
	s.modified(p, side)
}

func (s *state) remove(p *proc, side place) rules.Answer {
	had := s.val[side] != 0
	s.val[side] = 0
	if side == oldOfA {
		s.row, s.lost = 0, false
	}
	s.modified(p, side)
	if had {
		return rules.OK
	}
	return rules.No
}

// modified spoils every token of the session in that store but the modifier's.
func (s *state) modified(by *proc, side place) {
	for i := range s.clients {
		s.clients[i].spoil(by, side)
	}
	for i := range s.tasks {
		s.tasks[i].spoil(by, side)
	}
	for i := range s.late {
		if l := &s.late[i]; l.place() == side {
			l.token.was &^= tokenGood
		}
	}
}

func (p *proc) spoil(by *proc, side place) {
	if p == by {
		return
	}
	for i := range p.tokens {
		if p.tokens[i].at == side {
			p.tokens[i].was &^= tokenGood
		}
	}
}

// takeToken keeps the token of the other store, if there is one.
func (p *proc) takeToken(t token) {
	if p.m.Op() == rules.Edit && p.tokens[0].at != t.at {
		p.tokens[1] = p.tokens[0]
	}
	p.tokens[0] = t
}

// token is the one that the operation has for a store.
func (p *proc) token(side rules.Side) token {
	if p.m.Op() == rules.Edit && p.tokens[0].at != p.place(side) {
		return p.tokens[1]
	}
	return p.tokens[0]
}

func (w *walker) marks(s *state, p *proc) rules.Answer {
	if p.m.Op() == rules.Repair && s.unknown(p.agent, rules.New) && !rules.Dropped(rules.RepairLooksTwice) {
		return rules.MarkedCall // a call has timed out since the repair began
	}
	marked := false
	for a := range s.mark {
		if s.mark[a] == 0 || !w.sees(p, uint8(a)) {
			continue
		}
		marked = true
		if uint8(a) == p.agent {
			p.seenMark = s.mark[a]
		}
	}
	if marked {
		return rules.Marked
	}
	return rules.Clear
}

// unknown tells whether a call of that agent to that store may still arrive.
func (s *state) unknown(agent uint8, side rules.Side) bool {
	for _, l := range s.late {
		if l.call.Kind != rules.NoCall && l.agent == agent && l.call.Side == side {
			return true
		}
	}
	return false
}
