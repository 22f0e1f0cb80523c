package prove

import (
	"slices"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/darklaunch/walk"
)

// plan is the walks that a setup needs, the cheap and telling ones first: what
// the time does not allow is at the end.
func plan(s Setup, quick bool) []walk.Config {
	var small, wide, deep []walk.Config
	for _, r := range routes(s) {
		one := s.config(r, walk.SessionKinds, 1)
		s.faults(&one, r, 1)
		absent := one
		absent.Absent, absent.Name = true, one.Name+", no session at first"
		small = append(small, one)
		if !s.Old.HostScoped {
			small = append(small, absent)
		}
		if s.Locks {
			l := s.config(r, walk.LockKinds, 2)
			s.faults(&l, r, 1)
			l.Crashes = 0
			small = append(small, l)
			l.Ops = 4
			wide = append(wide, l)
		}
		if len(r.Path) > 6 {
			continue
		}
		one.Ops, absent.Ops = 2, 2
		wide = append(wide, one)
		if !s.Old.HostScoped {
			wide = append(wide, absent)
		}
		three := s.config(r, walk.SessionKinds, 3)
		deep = append(deep, three)
	}
	if quick {
		return small
	}
	return slices.Concat(small, s.fleet(), wide, deep)
}

// routes are the ways through the positions that the setup has.
func routes(s Setup) (out []walk.Route) {
	all := walk.Routes()
	if s.Old.HostScoped {
		all = walk.HostRoutes()
	}
	for _, r := range all {
		if s.RefuseUnconfirmed && r.OldOnly {
			continue // old is not given up: nothing is written to new alone
		}
		r.Path = slices.Clone(r.Path)
		for i := range r.Path {
			if !s.KeepOld {
				r.Path[i].Env &^= rules.KeepOld
			}
			if s.RefuseUnconfirmed {
				r.Path[i].Env &^= rules.Settled
			}
		}
		if s.Old.Evicts && below(r) && r.InNewFirst() {
			continue // what old threw out is missing there again, as without Crossfade
		}
		out = append(out, r)
	}
	return out
}

func below(r walk.Route) bool {
	return slices.ContainsFunc(r.Path, func(p walk.Phase) bool { return p.Position < position.ReadNew })
}

// config is a walk of a route with what the stores can do.
func (s Setup) config(r walk.Route, kinds []rules.Op, ops int) walk.Config {
	what := "sessions"
	if kinds[0] == rules.Lock {
		what = "locks"
	}
	c := walk.Config{Name: strings.TrimPrefix(r.Name, "hosts: ") + ", " + what, Path: r.Path, Kinds: kinds, Ops: ops,
		OldEvicts: s.Old.Evicts, HostScoped: s.Old.HostScoped, ByTombstone: s.New.NoAbsentToken,
		NoMarks: !s.Old.Marks, Unacked: s.Flags == Unacknowledged}
	if s.Old.Tiers && kinds[0] != rules.Lock && len(r.Path) <= 4 && !r.OldOnly {
		c.Tiers, c.Losses = true, 1
	}
	if s.New.Evicts && kinds[0] != rules.Lock && refills(r) {
		c.Evictions = 1
	}
	return c
}

// refills: whatever new throws out on the way, old still has.
func refills(r walk.Route) bool {
	return !slices.ContainsFunc(r.Path, func(p walk.Phase) bool {
		return p.Position > position.ReadNew || p.Env&(rules.OldDown|rules.Recovering) != 0 || p.OldDead
	})
}

func (s Setup) faults(c *walk.Config, r walk.Route, n int) {
	if s.Faults.Old {
		c.FaultsOld = n
	}
	if s.Faults.New && !r.OldOnly {
		c.FaultsNew = n
	}
	if c.Faults = max(c.FaultsOld, c.FaultsNew); s.Faults.Late {
		c.Late = c.Faults
	}
	if s.Faults.Crash && len(r.Path) <= 6 && !s.Old.HostScoped {
		c.Crashes = 1
	}
}

// fleet are walks with agents that are cut off, and servers that are killed.
func (s Setup) fleet() (out []walk.Config) {
	if !s.Faults.Crash || s.Flags != Acknowledged || s.Old.HostScoped {
		return nil
	}
	for _, c := range walk.FleetWalks() {
		if c.Ops == 1 && c.FaultsOld+c.FaultsNew == 0 {
			c.OldEvicts, c.NoMarks, c.ByTombstone = s.Old.Evicts, !s.Old.Marks, s.New.NoAbsentToken
			out = append(out, c)
		}
	}
	return out
}

// about are the promises that a walk can say something of.
func about(c walk.Config) []walk.Promise {
	if c.Locks() {
		return []walk.Promise{walk.OneHolder}
	}
	ps := []walk.Promise{walk.NoLogout, walk.NoLostWrite, walk.NoResurrection}
	if slices.ContainsFunc(c.Path, func(p walk.Phase) bool { return p.Position < position.Fenced }) {
		ps = append(ps, walk.NewHurtsNobody)
	}
	return ps
}
