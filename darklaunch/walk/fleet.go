package walk

import "github.com/seed-41165957/crossfade/darklaunch/rules"

// fleet is what is known of revisions outside the agents that serve them.
type fleet struct {
	note     [2]uint8 // the revision whose note stands in each store, 0: none
	listed   [2]uint8 // agents (bits) in the roster of each note
	named    uint8    // agents in the roster of the newest revision
	intended uint8    // the revision that the record holds as what comes next
	meant    uint8    // agents in its roster
	pushed   uint8    // the revision that connected agents are given
	before   uint8    // the revision before the newest
	owed     uint8    // revisions without a move that forgetting still takes

	server publishing // of whoever leads
	slow   publishing // of a server that was stopped in the middle, and replaced
	agents [agents]member

	cuts, forgets, kills, losses, rollbacks uint8 // what is left
}

// publishing is one server in the middle of publishing.
type publishing struct {
	target uint8
	listed uint8 // agents in its roster: as much part of the revision as its phase
	done   rules.Publication
}

// member is an agent as the fleet sees it.
type member struct {
	cut, stopped, forgotten bool
	noted                   uint8 // the revision acknowledged in its own note
	read                    uint8 // stores (bits) that it has read since the last revision that forgets it
}

func (f *fleet) begin(s *state, c *Config) {
	s.rev = oneIdle // epoch 0 stands for no flags at all
	for a := range s.agents {
		s.agents[a].rev = s.rev
	}
	all := f.roster()
	f.named, f.meant = all, all
	f.note, f.listed = [2]uint8{s.rev, s.rev}, [2]uint8{all, all}
	f.intended, f.pushed, f.before = s.rev, s.rev, s.rev
	f.cuts, f.forgets, f.kills = uint8(c.Fleet.Cuts), uint8(c.Fleet.Forgets), uint8(c.Fleet.Kills)
	f.losses, f.rollbacks = uint8(c.Fleet.Losses), uint8(c.Fleet.Rollback)
}

// roster is whom whoever moves now would list.
func (f *fleet) roster() (bits uint8) {
	for a := range f.agents {
		if !f.agents[a].forgotten {
			bits |= 1 << a
		}
	}
	return bits
}

// still: nobody is publishing, nor has anything to take up that another began.
func (f *fleet) still() bool { return f.server.done == rules.NotBegun }

// member is what the server knows of an agent.
func (s *state) member(a uint8) rules.Member {
	f := &s.fleet.agents[a]
	m := rules.Member{Silent: f.cut, Forgotten: f.forgotten}
	if f.cut {
		m.Acked = epochOf(f.noted)
	} else if s.acked(a) && !f.stopped {
		m.Acked = epochOf(s.rev)
	}
	// The time that a step gives a forgotten agent is an event: it has passed
	// when the agent has read each store's note.
	m.Ended = f.stopped || f.read == 3
	if !rules.Dropped(rules.ForgetLocksRunOut) {
		for g := uint8(0); g < s.ledger.grants; g++ {
			m.Ended = m.Ended && !(s.ledger.grant[g].out && s.ledger.grant[g].agent == a)
		}
	}
	return m
}

func (s *state) mayFollow(still bool) bool {
	var ms [agents]rules.Member
	for a := range ms {
		ms[a] = s.member(uint8(a))
	}
	return (still || s.fleet.owed == 0) && rules.MayFollow(epochOf(s.rev), still, ms[:])
}

// together checks what the promises rest on. With clients their promises are
// looked at instead of the distance between agents.
func (s *state) together(w *walker) *Violation {
	revs := []uint8{s.rev, s.fleet.note[0], s.fleet.note[1]}
	for a := range s.agents {
		if !s.fleet.agents[a].stopped {
			revs = append(revs, s.agents[a].rev)
		}
	}
	for i, r := range revs {
		for _, q := range revs[:i] {
			if r != q && epochOf(r) == epochOf(q) {
				return &Violation{OneContent, "one epoch stands for two contents"}
			}
		}
	}
	a, b := &s.fleet.agents[0], &s.fleet.agents[1]
	if w.cfg.Ops > 0 || a.stopped || b.stopped {
		return nil
	}
	d := int(contentOf(s.agents[0].rev)) - int(contentOf(s.agents[1].rev))
	if d < -1 || d > 1 {
		return &Violation{OneApart, "two agents serve positions that are not neighbours"}
	}
	return nil
}
