package walk

import "github.com/seed-41165957/crossfade/darklaunch/rules"

// place is one store of the model: new, or one host's old. Where old is not
// host-scoped all see that of A.
type place uint8

const (
	oldOfA       = place(rules.Old)
	inNew        = place(rules.New)
	oldOfB place = 2
	places       = 3
)

// purged is a bit of state.verified: what new held before was removed. Where a
// miss on one host says nothing, only so is it known that nothing deleted is
// left there.
const purged = 0x80

func placeOf(s rules.Side, host uint8) place {
	if s == rules.Old && host == 1 {
		return oldOfB
	}
	return place(s)
}

func (p *proc) place(s rules.Side) place { return placeOf(s, p.host) }

func (l *late) place() place { return placeOf(l.call.Side, l.host) }

func (p place) String() string {
	switch p {
	case oldOfA:
		return "old"
	case inNew:
		return "new"
	}
	return "web-2's old"
}

// host is whose old an agent sees.
func (w *walker) host(agent uint8) uint8 {
	if w.cfg.HostScoped && agent < agents {
		return agent
	}
	return 0
}

// hosts are the bits of all hosts that copies have to run on.
func (c *Config) hosts() uint8 {
	if c.HostScoped {
		return 1<<agents - 1
	}
	return 1
}

// env is a phase's with what holds in all phases.
func (c *Config) env(p Phase) rules.Env {
	e := p.Env
	if c.OldEvicts {
		e |= rules.OldEvicts
	}
	if c.HostScoped {
		e |= rules.HostScoped
	}
	if c.Lease {
		e |= rules.Leases
	}
	return e
}

// reachable tells whether clients come to an agent now: where each host has an
// old of its own they stay with one until every host may serve them.
func (s *state) reachable(w *walker, a uint8) bool {
	if s.fleet.agents[a].stopped {
		return false
	}
	return !w.cfg.HostScoped || a == 0 || w.phase(s.rev).Free
}

// sees tells whether an operation sees the marks of an agent.
func (w *walker) sees(p *proc, a uint8) bool { return !w.cfg.HostScoped || p.host == a }

// lags tells whether what a copy's source holds may be older than what its
// target holds: the stores know by the tier that answered, or by the deadlines.
func (w *walker) lags(s *state, p *proc, side rules.Side) bool {
	if side != rules.Old || p.m.Op() != rules.Copy && p.m.Op() != rules.Repair {
		return false
	}
	if w.cfg.HostScoped && p.tokens[0].gone() && p.m.Op() == rules.Copy && !rules.Dropped(rules.HostHonoursTombstones) {
		return true
	}
	older := s.val[p.place(side)] < p.tokens[0].val()
	return older && (w.cfg.Tiers && s.lost || w.cfg.HostScoped && p.m.Op() == rules.Copy)
}
