// Package flags turns the flag crossfade-stage into the position of each
// session. It promises that one session has one position in one revision,
// wherever that is computed (this package or any flagd from core 0.15 on); that
// as a ramp grows a session only moves forward; and that a revision which would
// take a session two positions at once is refused, with the reason.
//
//	hasher, err := flags.LoadOrCreateKey("hash.key")
//	src := flags.NewFile("flags.json", flags.FileOptions{StateDir: "state"})
//	go src.Run(ctx)
//	d := src.Decide(hasher.SumString(id)) // no allocation, no lock
//	if !d.Ready { … }                      // no revision is known: serve nobody
//	d.Position                             // position.ReadNew
//
// The file is flagd's JSON. Weights are out of 10,000 and stand from the most
// advanced position to the least, so cohorts are nested. What flagd has no
// place for (epoch, floor, pins …) is in the flag set's metadata, flat, as
// flagd's schema wants it (flagd.dev/schema/v0/flags.json, "metadata").
package flags

import (
	"fmt"
	"maps"
	"slices"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// Key is the name of the flag.
const Key = "crossfade-stage"

// Buckets is the total of the weights: a bucket is 0.01 % of the sessions.
const Buckets = 10_000

// Ladder is the order in which the variants stand in the flag: from the most
// advanced position to the least. Bucket 0 is the first to move.
var Ladder = [position.Count]position.Position{
	position.Cutover, position.Back, position.Sealed, position.ReadNew,
	position.Fenced, position.Mirror, position.Off,
}

// Weights says how many of the 10,000 buckets are in each position; it is
// indexed by position.Position.
type Weights [position.Count]int

// Down is a store that an acknowledged epoch declares dead.
type Down uint8

const (
	NoneDown      Down = iota
	OldDown            // old is not asked; new takes everything but locks
	NewDown            // new is not asked
	OldDownLocks       // the same as OldDown, and the locks that old granted have run out: new grants
	OldRecovering      // old is back, without the last writes: both are written, old is not read
)

// String is "", "old" or "new", as in the file.
func (d Down) String() string {
	if int(d) < len(downNames) {
		return downNames[d]
	}
	return fmt.Sprintf("down(%d)", uint8(d))
}

var downNames = [...]string{"", "old", "new", "old-locks-in-new", "old-recovering"}

// mayFollow tells whether a declaration may follow another. Old, once declared
// down, comes back through recovering only: it lacks writes by then.
func (d Down) mayFollow(was Down) bool {
	if d == was {
		return true
	}
	switch was {
	case NoneDown:
		return d == OldDown || d == NewDown
	case NewDown:
		return d == NoneDown
	case OldDown:
		return d == OldDownLocks || d == OldRecovering
	case OldDownLocks:
		return d == OldRecovering
	}
	return d == NoneDown || d == OldDown
}

// Definition is what one revision of the flag says, before it is compiled.
type Definition struct {
	// Migration is the migration's name: [a-z0-9-]{1,32}.
	Migration string
	// Bucketing is the seed of the buckets, up to 64 bytes of [A-Za-z0-9._-].
	// Empty means flagd's own default, the flag's key. It never changes.
	Bucketing string
	// Epoch rises with each change; 1 or more.
	Epoch uint64
	// Weights add up to 10,000.
	Weights Weights
	// Default is the variant for programs that cannot give a targeting key:
	// the last known stage. It holds weight itself, and is off only while all
	// sessions are: see DefaultOf.
	Default position.Position
	// CutoverFloor is the highest number of buckets that were ever in cutover
	// (or back). Sessions below it have been where old is not asked.
	CutoverFloor int
	// Settled is the bucket up to which read-new is settled: every agent has
	// acknowledged it there, and sealing has not begun. 0: nowhere.
	Settled int
	// DeclaredDown is the store that is declared dead.
	DeclaredDown Down
	// KeepOld is set while sessions in cutover are also written to old.
	KeepOld bool
	// Only names the agents that mirror, in order; for all others mirror is off.
	// None: all do. It stands while no session is further than mirror.
	Only []string
	// Pins holds single sessions at a position, whatever their bucket says.
	Pins map[Hash]position.Position
}

// DefaultOf is the position that most sessions are in, off left aside: what a
// program should take that can ask for no session in particular. Off only if
// all are off; the less advanced of two that are equal.
func DefaultOf(w Weights) position.Position {
	best := position.Off
	for _, p := range []position.Position{position.Mirror, position.Fenced, position.ReadNew,
		position.Sealed, position.Back, position.Cutover} {
		if w[p] > 0 && (best == position.Off || w[p] > w[best]) {
			best = p
		}
	}
	return best
}

func (d Definition) clone() Definition {
	d.Pins, d.Only = maps.Clone(d.Pins), slices.Clone(d.Only)
	return d
}
