package walk

import (
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// SessionKinds are the operations on sessions, LockKinds those on locks.
var (
	SessionKinds = []rules.Op{rules.Get, rules.Set, rules.Touch, rules.Delete, rules.Add}
	LockKinds    = []rules.Op{rules.Lock, rules.Unlock}
)

// A Route is a path through the positions and how it begins.
type Route struct {
	Name string
	Path []Phase
	// OldOnly: faults of new are left out, since old has failed already.
	OldOnly bool
}

func at(p position.Position) Phase { return Phase{Position: p} }

// Routes are the walks of the suite: every pair of neighbours in both
// directions, and the longer ways that a step's conditions are about.
func Routes() []Route {
	off, mirror, fenced, readNew := at(position.Off), at(position.Mirror), at(position.Fenced), at(position.ReadNew)
	sealed, cutover, back := at(position.Sealed), at(position.Cutover), at(position.Back)
	settled := Phase{Position: position.ReadNew, Env: rules.Settled}
	keepOld := Phase{Position: position.Cutover, Env: rules.KeepOld}
	dead := Phase{Position: position.ReadNew, Env: rules.Settled, OldDead: true}
	down := Phase{Position: position.ReadNew, Env: rules.Settled | rules.OldDown, OldDead: true}
	downLocks := Phase{Position: position.ReadNew, Env: rules.Settled | rules.OldDown | rules.LocksInNew, OldDead: true}
	recovering := Phase{Position: position.ReadNew, Env: rules.Recovering}
	return []Route{
		{Name: "off, mirror", Path: []Phase{off, mirror}},
		{Name: "mirror, off", Path: []Phase{mirror, off}},
		{Name: "mirror, fenced", Path: []Phase{mirror, fenced}},
		{Name: "fenced, mirror", Path: []Phase{fenced, mirror}},
		{Name: "fenced, read-new", Path: []Phase{fenced, readNew}},
		{Name: "mirror to read-new", Path: []Phase{mirror, fenced, readNew}},
		{Name: "read-new, fenced", Path: []Phase{readNew, fenced}},
		{Name: "read-new, settled", Path: []Phase{readNew, settled}},
		{Name: "settled, read-new", Path: []Phase{settled, readNew}},
		{Name: "settled, old dies", Path: []Phase{settled, dead}, OldOnly: true},
		{Name: "old declared down", Path: []Phase{dead, down, downLocks}, OldOnly: true},
		{Name: "old comes back", Path: []Phase{downLocks, recovering, sealed, readNew}, OldOnly: true},
		{Name: "read-new, sealed", Path: []Phase{readNew, sealed}},
		{Name: "sealed, read-new", Path: []Phase{sealed, readNew}},
		{Name: "sealed, cutover", Path: []Phase{sealed, keepOld}},
		{Name: "read-new to cutover", Path: []Phase{readNew, sealed, cutover}},
		{Name: "cutover, back", Path: []Phase{keepOld, back}},
		{Name: "back, cutover", Path: []Phase{back, cutover}},
		{Name: "back, sealed", Path: []Phase{back, sealed}},
		{Name: "cutover to read-new", Path: []Phase{cutover, back, sealed, readNew}},
		{Name: "all the way and back", Path: []Phase{off, mirror, fenced, readNew, settled, readNew, sealed, keepOld, back, sealed, readNew, fenced}},
	}
}

// InNewFirst tells whether clients read new where the route begins.
func (r Route) InNewFirst() bool { return r.Path[0].inNew() }

func (r Route) config(name string, kinds []rules.Op, ops int) Config {
	return Config{Name: r.Name + ": " + name, Path: r.Path, Kinds: kinds, Ops: ops}
}

// Cut is the suite of every test run.
func Cut() []Config {
	var cs []Config
	for _, r := range Routes() {
		c := r.config("3 operations, a crash", SessionKinds, 3)
		c.Crashes = 1
		if len(r.Path) > 6 {
			c.Ops = 2
		}
		cs = append(cs, c)
		c.Absent, c.Crashes, c.Name = true, 0, r.Name+": no session at first"
		cs = append(cs, c)
		c = r.config("2 operations, a fault anywhere, late call, crash", SessionKinds, 2)
		c.faults(r, 1, 1)
		c.Crashes = 1
		if len(r.Path) > 6 {
			c.Crashes = 0
		}
		cs = append(cs, c)
		c.Absent, c.Crashes, c.Name = true, 0, r.Name+": no session at first, a fault anywhere"
		cs = append(cs, c)
		c = r.config("locks, 4 operations, a fault anywhere", LockKinds, 4)
		c.faults(r, 1, 1)
		if len(r.Path) > 6 { // its steps are walked one by one
			c = r.config("locks, 3 operations", LockKinds, 3)
		}
		cs = append(cs, c)
		if r.Path[0].inNew() && len(r.Path) <= 4 && !goesBelow(r) {
			c = r.config("old has evicted, 3 operations", SessionKinds, 3)
			c.OldEvicts, c.Evicted = true, true
			cs = append(cs, c)
		}
	}
	for _, i := range []int{4, 5, 6, 7} { // up to read-new and beside it
		c := Routes()[i].config("2 operations, absence by tombstone", SessionKinds, 2)
		c.ByTombstone = true
		c.faults(Routes()[i], 1, 1)
		cs = append(cs, c)
		c = Routes()[i].config("2 operations, new evicts", SessionKinds, 2)
		c.Evictions = 1
		cs = append(cs, c)
	}
	for i, c := range tierWalks() {
		if i%2 == 0 { // the others are in the long run
			cs = append(cs, c)
		}
	}
	cs = append(cs, EditWalks()...)
	cs = append(cs, LeaseWalks()...)
	for _, r := range HostRoutes() {
		c := r.config("3 operations", SessionKinds, 3)
		c.HostScoped = true
		cs = append(cs, c)
		c = r.config("2 operations, a fault anywhere, late call", SessionKinds, 2)
		c.HostScoped = true
		c.faults(r, 1, 1)
		cs = append(cs, c)
		c = r.config("locks, 4 operations, a fault anywhere", LockKinds, 4)
		c.HostScoped = true
		c.faults(r, 1, 1)
		cs = append(cs, c)
	}
	cs = append(cs, FleetWalks()...)
	return append(cs, Routes()[4].config("4 operations", SessionKinds, 4))
}

// HostRoutes are the walks where each host has an old of its own: the way to
// where clients may come through any host, and back.
func HostRoutes() []Route {
	mirror, fenced, readNew, sealed := at(position.Mirror), at(position.Fenced), at(position.ReadNew), at(position.Sealed)
	cutover, back := at(position.Cutover), at(position.Back)
	free := func(p Phase) Phase { p.Free = true; return p }
	settled := free(Phase{Position: position.ReadNew, Env: rules.Settled})
	return []Route{
		{Name: "hosts: mirror to read-new", Path: []Phase{mirror, fenced, readNew}},
		{Name: "hosts: fenced to any host", Path: []Phase{fenced, readNew, settled}},
		{Name: "hosts: any host", Path: []Phase{settled, free(readNew)}},
		{Name: "hosts: any host to cutover", Path: []Phase{free(readNew), free(sealed), free(cutover)}},
		{Name: "hosts: any host to fenced", Path: []Phase{free(readNew), readNew, sealed, back, sealed, readNew, fenced}},
	}
}

// Deep is the suite of the long run, after Cut.
func Deep() []Config {
	var cs []Config
	for _, r := range Routes() {
		if len(r.Path) > 6 {
			continue
		}
		c := r.config("2 operations, 2 faults on old, 2 late calls, crash", SessionKinds, 2)
		c.FaultsOld, c.Faults, c.Late, c.Crashes = 2, 2, 2, 1
		cs = append(cs, c)
		if !r.OldOnly {
			c.Name = r.Name + ": 2 operations, 2 faults on new, 2 late calls, crash"
			c.FaultsOld, c.FaultsNew = 0, 2
			cs = append(cs, c)
		}
		c = r.config("3 operations, a fault on old, late call", SessionKinds, 3)
		c.FaultsOld, c.Faults, c.Late = 1, 1, 1
		cs = append(cs, c)
		if !r.OldOnly {
			c = r.config("3 operations, a fault on new, late call", []rules.Op{rules.Get, rules.Set, rules.Delete}, 3)
			c.FaultsNew, c.Faults, c.Late = 1, 1, 1
			cs = append(cs, c)
		}
		c = r.config("locks, 5 operations, 2 faults on old", LockKinds, 5)
		c.FaultsOld, c.Faults, c.Late = 2, 2, 2
		cs = append(cs, c)
		c.Name = r.Name + ": locks, 5 operations, 2 faults on new"
		c.FaultsOld, c.FaultsNew = 0, 2
		cs = append(cs, c)
	}
	cs = append(cs, tierWalks()...)
	cs = append(cs, deepLeases()...)
	return append(cs, deepEdits()...)
}

// tierWalks are those of an old of two tiers, whose fast one loses all.
func tierWalks() []Config {
	var cs []Config
	for _, r := range Routes() {
		if len(r.Path) > 4 || r.OldOnly {
			continue
		}
		c := r.config("2 operations, old's fast tier lost", SessionKinds, 2)
		c.Tiers, c.Losses, c.OldEvicts = true, 1, true
		c.faults(r, 1, 1)
		cs = append(cs, c)
	}
	return cs
}

func (c *Config) faults(r Route, n, late int) {
	c.FaultsOld, c.FaultsNew, c.Faults, c.Late = n, n, n, late
	if r.OldOnly {
		c.FaultsNew = 0
	}
}

// goesBelow: old's miss becomes the answer again, as without Crossfade.
func goesBelow(r Route) bool {
	for _, p := range r.Path {
		if p.Position < position.ReadNew {
			return true
		}
	}
	return false
}
