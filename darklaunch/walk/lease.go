package walk

import (
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// The record of markers: a bit for each agent, and
const (
	recordStands = 0x80 // there is one
	recordOthers = 0x40 // with others in it than the agents: nobody knows who marked before it was made
)

// list puts an agent into the record, unless it remembers that it is. Where there
// is none it is made, and who else should be in it is not known.
func (s *state) list(a uint8) rules.Answer {
	if s.listed&(1<<a) != 0 {
		return rules.OK
	}
	s.listed |= 1 << a
	if s.record&recordStands == 0 {
		s.record |= recordOthers
	}
	s.record |= recordStands | 1<<a
	return rules.No
}

// leases lets agents take clean leases, and lose them, leave the record when they
// have no marks, and whoever moves the ramp make it.
func (w *walker) leases(s *state) {
	if !w.cfg.Lease {
		return
	}
	for a := range uint8(agents) {
		reads := w.phase(s.agents[a].rev).Position
		switch {
		case s.leased&(1<<a) != 0:
			n := *s
			n.leased &^= 1 << a
			w.emit(&n, "the lease of %s ends", agentName(a))
		case s.record == recordStands && (reads == position.ReadNew || reads == position.Sealed):
			n := *s
			n.leased |= 1 << a
			w.emit(&n, "%s sees the record of markers empty: a lease", agentName(a))
		}
		if s.record&(1<<a) != 0 && (s.mark[a] == 0 && !s.marking(a) || rules.Dropped(rules.UnlistedWhenClean)) {
			n := *s
			n.record, n.listed = n.record&^(1<<a), n.listed&^(1<<a)
			w.emit(&n, "%s leaves the record of markers", agentName(a))
		}
	}
	if s.unlistings > 0 && s.record != 0 {
		n := *s
		n.unlistings--
		n.record = 0
		w.emit(&n, "old loses the record of markers")
	}
	if (s.record&recordStands == 0 || s.record&recordOthers != 0) && s.mark == [agents]uint8{} {
		n := *s
		n.record = recordStands
		if !rules.Dropped(rules.RecordListsAll) {
			n.record |= 1<<agents - 1
		}
		w.emit(&n, "whoever moves the ramp makes the record of markers")
	}
}

// marking tells whether an agent is between its mark and its acknowledgement, or
// a mark of its own may still arrive.
func (s *state) marking(a uint8) bool {
	for i := range s.clients {
		p := &s.clients[i]
		if k := p.m.Calls()[0].Kind; p.agent == a && p.m.Active() && (k == rules.PutMarkCall || k == rules.ListCall || k == rules.LeaseCall) {
			return true
		}
	}
	for i := range s.late {
		if l := &s.late[i]; l.agent == a && (l.call.Kind == rules.PutMarkCall || l.call.Kind == rules.ListCall) && !l.applied {
			return true
		}
	}
	return false
}
