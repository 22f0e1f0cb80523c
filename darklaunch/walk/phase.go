package walk

import "github.com/seed-41165957/crossfade/darklaunch/rules"

// A revision in a state is one byte: the epoch in the high half, and in the low
// half its content: which phase of the path. Epochs order revisions; two that
// have one epoch and different contents are what the fleet's rules forbid.
// Without a fleet every revision moves on by one phase, so both halves count
// together.
const (
	oneOn   = 0x11 // the next epoch, in the next phase
	oneIdle = 0x10 // the next epoch, in which nothing moves
	oneBack = 0x0f // the next epoch, in the phase before
)

func epochOf(rev uint8) uint64 { return uint64(rev >> 4) }

func contentOf(rev uint8) uint8 { return rev & 0x0f }

// phase is what a revision says.
func (w *walker) phase(rev uint8) Phase { return w.cfg.Path[contentOf(rev)] }

// envAt is what the rules know besides the position in a revision.
func (w *walker) envAt(rev uint8) rules.Env { return w.env[contentOf(rev)] }
