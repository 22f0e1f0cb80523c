package migrate

import (
	"slices"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// needs is what the rules ask before n may follow cur: of every stretch of
// buckets, by where it is and where it goes.
func needs(cur, n flags.Definition, always rules.Env) rules.Needs {
	edges := []int{0, flags.Buckets}
	for _, d := range []flags.Definition{cur, n} {
		ends := d.Weights.Ends()
		edges = append(edges, ends[:]...)
		edges = append(edges, d.Settled)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var all rules.Needs
	for _, first := range edges[:len(edges)-1] {
		all |= rules.Gate(at(cur, first), env(cur, first)|always, at(n, first), env(n, first)|always)
	}
	if n.Weights == cur.Weights && n.Settled < cur.Settled && n.DeclaredDown == cur.DeclaredDown {
		// Taking settled back begins a step that will ask for this. Refused only
		// then, it would leave a fleet that cannot write while old is dead.
		all |= rules.NeedCleanOld | rules.NeedNotBehind
	}
	for _, pins := range []map[flags.Hash]position.Position{cur.Pins, n.Pins} {
		for h := range pins {
			from, fromEnv := where(cur, h)
			to, toEnv := where(n, h)
			all |= rules.Gate(from, fromEnv|always, to, toEnv|always)
		}
	}
	return all
}

// at is the position of a bucket.
func at(d flags.Definition, bucket int) position.Position {
	end := 0
	for _, p := range flags.Ladder {
		if end += d.Weights[p]; bucket < end {
			return p
		}
	}
	return position.Off
}

// where one session is, by its pin or by its bucket, and what the rules know of it.
func where(d flags.Definition, h flags.Hash) (position.Position, rules.Env) {
	at, pinned := d.At(h)
	if pinned {
		return at, env(d, flags.Buckets) // never settled
	}
	return at, env(d, d.Bucket(h))
}

// env is what the rules know of a bucket besides.
func env(d flags.Definition, bucket int) rules.Env {
	var e rules.Env
	if bucket < d.Settled && at(d, bucket) == position.ReadNew {
		e |= rules.Settled
	}
	switch d.DeclaredDown {
	case flags.OldDown:
		e |= rules.OldDown
	case flags.OldDownLocks:
		e |= rules.OldDown | rules.LocksInNew
	case flags.OldRecovering:
		e |= rules.Recovering
	}
	if d.KeepOld {
		e |= rules.KeepOld
	}
	return e
}

// unfenced tells whether a session's writes may reach new after their answer:
// what was verified before counts for nothing then.
func unfenced(d flags.Definition) bool {
	for _, p := range d.Pins {
		if p < position.Fenced {
			return true
		}
	}
	return d.Weights[position.Off]+d.Weights[position.Mirror] > 0
}

// owes tells whether old has to be made whole by a reverse copy after n: some
// session arrives in back, or old is recovering.
func owes(cur, n flags.Definition) bool {
	return n.Weights[position.Back] > cur.Weights[position.Back] ||
		n.DeclaredDown == flags.OldRecovering && cur.DeclaredDown != flags.OldRecovering
}

// paid tells whether nobody is on the way back any more.
func paid(n flags.Definition) bool {
	return n.Weights[position.Back]+n.Weights[position.Sealed] == 0 && n.DeclaredDown != flags.OldRecovering
}
