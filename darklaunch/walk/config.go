package walk

import (
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Phase is one revision of the migration: where every session is, once all
// agents have taken it.
type Phase struct {
	Position position.Position
	Env      rules.Env // Settled, OldDown, LocksInNew, Recovering, KeepOld
	Free     bool      // with HostScoped: clients may come to any agent
	OldDead  bool      // old answers nothing while this is the newest revision
}

// Config is what one walk goes through.
type Config struct {
	Name  string
	Path  []Phase    // revisions in order; the agents begin in the first
	Ops   int        // client operations, 1 to 5
	Kinds []rules.Op // which; Lock brings Unlock with it
	Edits []wants    // what edits want; empty: to change what is there
	// Faults of calls: to old, to new, and in all.
	FaultsOld, FaultsNew, Faults int
	Late                         int // calls given up that may still arrive, at most 2
	Crashes                      int // agents that die and come back without memory
	// Absent begins without a session.
	Absent bool
	// OldEvicts: a miss in old proves nothing. Evicted begins with a session
	// that old has thrown out.
	OldEvicts, Evicted bool
	// ByTombstone: the stores have no token for an absent key; a swap there
	// tests, together with the write, that it is absent and has no tombstone.
	ByTombstone bool
	// HostScoped: each agent's host has an old of its own. Clients come to A
	// alone until a phase that is Free; B's old holds an older copy.
	HostScoped bool
	// Tiers: old is a fast tier over a slow one, which may lack its last writes.
	// Losses is how often the fast one loses the session.
	Tiers  bool
	Losses int
	// Evictions is how often new throws the session out.
	Evictions int
	// Lease: agents take clean leases. Unlistings is how often old loses the record
	// of markers.
	Lease      bool
	Unlistings int
	// Unacked: revisions follow each other without anybody's acknowledgement, as
	// from a flag source that nobody answers.
	Unacked bool
	// NoMarks: what new did not take is noted nowhere.
	NoMarks bool
	// Fleet is what may befall revisions on their way. The zero value: every
	// revision reaches every agent.
	Fleet Fleet
}

// Fleet says how often what may befall the fleet. With any of it set, a revision
// is published step by step, and stands in a note in both stores.
type Fleet struct {
	Cuts     int  // agents cut off from every server, until the end
	Forgets  int  // agents cut off that the operator forgets, though they serve
	Kills    int  // servers killed, or stopped for long, while they publish
	Losses   int  // times that old loses its note
	Rollback int  // times that somebody goes one phase back before the step is acknowledged
	Stale    bool // an agent that crashes may come back with the revision before
}

func (c *Config) fleet() bool { return c.Fleet != Fleet{} }

// Bounds of the model.
const (
	agents    = 2
	clients   = 2
	queueSize = 2
	lateSize  = 2
	maxGrants = 4
	copier    = agents // index of the copier among the tasks
	nobody    = 0xff
)

// Locks tells whether the walk is about locks.
func (c *Config) Locks() bool { return len(c.Kinds) > 0 && c.Kinds[0] == rules.Lock }
