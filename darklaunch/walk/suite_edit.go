package walk

import (
	"slices"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// EditWalks are the walks of edits in every test run: two at once in each pair
// of neighbours, with a fault anywhere, and beside writes that ask for nothing.
// Where copies run (beside fenced) they are most of the states: there faults
// come without late calls.
func EditWalks() []Config {
	var cs []Config
	for _, r := range append(Routes(), HostRoutes()...) {
		if len(r.Path) > 5 || r.Name == "mirror to read-new" { // its steps are walked one by one
			continue
		}
		c := r.config("2 edits, a fault anywhere, late call", []rules.Op{rules.Edit}, 2)
		c.HostScoped = strings.HasPrefix(r.Name, "hosts:")
		c.faults(r, 1, 1)
		if copies(r) && !c.HostScoped {
			c.Name, c.Late = r.Name+": 2 edits, a fault anywhere", 0
		}
		cs = append(cs, c)
		c = r.config("edits beside writes, 2 operations", EditKinds, 2)
		c.HostScoped = strings.HasPrefix(r.Name, "hosts:")
		c.Edits = []wants{changesIt, removesIt, makesIt}
		cs = append(cs, c)
	}
	return cs
}

// deepEdits are those of the long run.
func deepEdits() []Config {
	var cs []Config
	for _, r := range append(Routes(), HostRoutes()...) {
		if len(r.Path) > 6 {
			continue
		}
		c := r.config("3 edits", []rules.Op{rules.Edit}, 3)
		c.HostScoped = strings.HasPrefix(r.Name, "hosts:")
		cs = append(cs, c)
		c = r.config("2 edits and reads, a fault anywhere, late call, crash", []rules.Op{rules.Edit, rules.Get}, 2)
		c.faults(r, 1, 1)
		c.Edits, c.Crashes = []wants{changesIt, removesIt}, 1
		if c.HostScoped = strings.HasPrefix(r.Name, "hosts:"); c.HostScoped {
			// A crash takes tombstones with it that other hosts' copies wait for:
			// decision 7, "not closed".
			c.Name, c.Crashes = r.Name+": 2 edits and reads, a fault anywhere, late call", 0
		}
		cs = append(cs, c)
	}
	return cs
}

// copies tells whether a backfill runs on a route.
func copies(r Route) bool {
	return slices.ContainsFunc(r.Path, func(p Phase) bool { return p.Position == position.Fenced }) && r.Path[0].Position != position.ReadNew
}
