package walk

import "github.com/seed-41165957/crossfade/darklaunch/rules"

// LeaseWalks are the walks of clean leases in every test run: where marks are put
// and readers of new look at them, with a fault anywhere.
func LeaseWalks() []Config {
	var cs []Config
	for _, r := range Routes() {
		switch r.Name {
		case "fenced, read-new", "read-new, settled", "read-new, sealed":
		default:
			continue
		}
		c := r.config("clean leases, 2 operations, a fault anywhere, late call", []rules.Op{rules.Set, rules.Get}, 2)
		c.faults(r, 1, 1)
		c.Lease = true
		cs = append(cs, c)
		if r.Name == "fenced, read-new" {
			cs = append(cs, recordLost(r, 0, rules.Set))
		}
	}
	return cs
}

// recordLost loses the record of markers on the way.
func recordLost(r Route, crashes int, ops ...rules.Op) Config {
	c := r.config("clean leases, the record lost", ops, 2)
	c.faults(r, 1, 0)
	c.Lease, c.Unlistings, c.Crashes = true, 1, crashes
	return c
}

// deepLeases are those of the long run.
func deepLeases() []Config {
	var cs []Config
	for _, r := range Routes() {
		switch r.Name {
		case "fenced, read-new", "read-new, settled", "read-new, sealed":
			cs = append(cs, recordLost(r, 1, rules.Set, rules.Delete))
		}
	}
	return cs
}
