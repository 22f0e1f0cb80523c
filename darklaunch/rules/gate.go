package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// Needs is what must hold before a revision is published, besides: every agent
// that serves has acknowledged the last one, and no copier is running.
type Needs uint8

const (
	NeedNoUnknown Needs = 1 << iota // no call of unknown outcome is left, also of agents that died
	NeedVerified                    // a backfill and a verification, both ways, that began after the fence was acknowledged by all
	NeedCleanNew                    // nothing dirty in new, no mark
	NeedCleanOld                    // nothing dirty in old
	NeedNotBehind                   // no old-behind record stands
	NeedReversed                    // since the last back: a reverse copy and verification that began after it was acknowledged by all
)

// Gate is what a step of one session needs. The steps that it does not name
// are not legal: see position.Adjacent.
func Gate(from position.Position, fromEnv Env, to position.Position, toEnv Env) Needs {
	n := NeedNoUnknown
	switch {
	case from == to: // settling, unsettling, declaring old down, recovering
		if fromEnv&HostScoped != 0 && toEnv&Settled != 0 && fromEnv&Settled == 0 && !dropped(HostSettlesClean) {
			n |= NeedCleanNew // from here on clients may come through any host
		}
	case from == position.Fenced && to == position.ReadNew:
		if !dropped(VerifyBeforeReadNew) {
			n |= NeedVerified
		}
		if !dropped(DirtyBlocksReadNew) {
			n |= NeedCleanNew
		}
	case from == position.ReadNew && fromEnv&Recovering != 0 && to == position.Sealed:
		n |= NeedReversed | NeedCleanOld // old is whole again: as back to sealed
	case from == position.ReadNew && to == position.Sealed:
		n |= NeedCleanNew | NeedCleanOld | NeedNotBehind
	case from == position.Sealed && to == position.Cutover:
		if !dropped(DirtyBlocksCutover) {
			n |= NeedCleanNew
		}
	case from == position.ReadNew && to == position.Fenced:
		if !dropped(BehindBlocksSteps) {
			n |= NeedCleanOld | NeedNotBehind
		}
		if fromEnv&HostScoped != 0 && !dropped(HostReverseFirst) {
			n |= NeedReversed // sessions have moved between hosts
		}
	case from == position.Sealed && to == position.ReadNew:
		n |= NeedCleanOld | NeedNotBehind
		if !dropped(ReverseCopyFirst) {
			n |= NeedReversed
		}
	case from == position.Back && to == position.Sealed:
		n |= NeedCleanOld
		if !dropped(ReverseCopyFirst) {
			n |= NeedReversed
		}
	}
	return n
}
