package walk

import (
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// FleetWalks are the walks with what befalls revisions on their way: without
// clients and far, to see that agents stay one step apart and that one epoch has
// one content, and with clients, to see the promises.
func FleetWalks() []Config {
	up := []Phase{at(position.ReadNew), at(position.Sealed), at(position.Cutover)}
	below := []Phase{at(position.Mirror), at(position.Fenced), at(position.ReadNew)}
	back := []Phase{at(position.Cutover), at(position.Back), at(position.Sealed), at(position.ReadNew)}
	long := []Phase{at(position.Fenced), at(position.ReadNew), at(position.Sealed), at(position.Cutover)}
	lost := Fleet{Cuts: 1, Forgets: 1}
	return []Config{
		{Name: "fleet: no client, 2 cut off, a kill, a note lost, a crash", Path: long, Crashes: 1,
			Fleet: Fleet{Cuts: 2, Forgets: 1, Kills: 1, Losses: 1, Stale: true}},
		{Name: "fleet: no client, cut off, forgotten, 2 kills, a step back by the stores", Path: long,
			Fleet: Fleet{Cuts: 1, Forgets: 1, Kills: 2, Rollback: 1}},
		{Name: "fleet: 1 operation, cut off, forgotten, a kill, a note lost", Path: up, Ops: 1, Kinds: SessionKinds,
			Fleet: Fleet{Cuts: 1, Forgets: 1, Kills: 1, Losses: 1}},
		{Name: "fleet: 1 operation, cut off, a kill, a step back by the stores", Path: up, Ops: 1, Kinds: SessionKinds,
			Fleet: Fleet{Cuts: 1, Kills: 1, Rollback: 1}},
		{Name: "fleet: 1 operation, a crash, a stale start", Path: up, Ops: 1, Kinds: SessionKinds, Crashes: 1,
			Fleet: Fleet{Cuts: 1, Losses: 1, Stale: true}},
		{Name: "fleet: 1 operation, a fault anywhere, late call, cut off, forgotten", Path: up, Ops: 1, Kinds: SessionKinds,
			FaultsOld: 1, FaultsNew: 1, Faults: 1, Late: 1, Fleet: lost},
		{Name: "fleet: 2 operations, cut off, forgotten", Path: up, Ops: 2, Kinds: SessionKinds, Fleet: lost},
		{Name: "fleet: mirror to read-new, 1 operation, cut off, forgotten", Path: below, Ops: 1, Kinds: SessionKinds, Fleet: lost},
		{Name: "fleet: cutover to read-new, 1 operation, a fault on old, cut off, forgotten", Path: back, Ops: 1, Kinds: []rules.Op{rules.Get, rules.Set, rules.Delete},
			FaultsOld: 1, Faults: 1, Fleet: lost},
		{Name: "fleet: locks, 3 operations, cut off, forgotten", Path: up, Ops: 3, Kinds: LockKinds, Fleet: lost},
	}
}
