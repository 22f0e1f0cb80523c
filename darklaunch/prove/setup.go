// Package prove walks the real rules with what one site's stores can do, its
// locks, its flag source and chosen faults, and says of each promise whether it
// held, through how many states, and if not, by which history.
//
//	r, err := prove.Run(ctx, prove.Setup{Old: prove.Store{Name: "memcached", Evicts: true, Marks: true}, …}, prove.Options{})
//	for _, v := range r.Verdicts { fmt.Println(v.Promise, v.Held, v.States, v.History) }
//
// What it says holds within the bounds of package walk: one session, two agents,
// a few operations and faults. A walk that the time did not allow counts for
// nothing, and is named.
package prove

import "github.com/seed-41165957/crossfade/darklaunch/walk"

// Setup is what a proof is about. The zero value has no faults and stores that
// lose nothing.
type Setup struct {
	Old, New Store
	Locks    bool // some kind of sessions has locks
	// RefuseUnconfirmed is read_new.unconfirmed: refuse. KeepOld: cutover goes on
	// writing old.
	RefuseUnconfirmed, KeepOld bool
	Flags                      Source
	Faults                     Faults
}

// Store is what one store can do, as far as the rules depend on it.
type Store struct {
	Name       string `json:"name"`
	Evicts     bool   `json:"evicts"`      // it may throw out what lives
	Tiers      bool   `json:"tiers"`       // a fast tier over a slow one that may lack the last writes
	HostScoped bool   `json:"host_scoped"` // each host has its own
	Marks      bool   `json:"marks"`       // it can hold marks
	// NoAbsentToken: a guard of an absent key holds no token, only its tombstone
	// is tested with the write.
	NoAbsentToken bool `json:"no_absent_token"`
}

// Source is where flags come from.
type Source uint8

const (
	Acknowledged   Source = iota // every agent acknowledges each revision
	Unacknowledged               // nobody does: agents follow when they follow
	TwoFlags                     // one flag for writes, one for reads: the usual way
)

func (s Source) String() string { return [...]string{"acknowledged", "unacknowledged", "two flags"}[s] }

// Faults are what may go wrong in a walk.
type Faults struct {
	Old, New bool // calls to that store fail
	Late     bool // ... or are given up, and may arrive later
	Crash    bool // an agent dies and comes back without its memory; is cut off, and forgotten
}

// AllFaults is the default.
var AllFaults = Faults{Old: true, New: true, Late: true, Crash: true}

// Promises are what is proved, in the order of the report.
var Promises = []walk.Promise{walk.NoLogout, walk.NoLostWrite, walk.NoResurrection, walk.NewHurtsNobody, walk.OneHolder}
