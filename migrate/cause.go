package migrate

import (
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// The causes of a difference, where they can be told.
const (
	CauseBeforeMirror = "before_mirror" // nobody has copied yet what was there before the mirror began
	CauseLostWrite    = "lost_write"    // old has a write that new has not
	CauseBypass       = "bypass"        // somebody has changed a store past the agents
	CauseEvicted      = "evicted"       // old throws out live sessions
	CauseConcurrent   = "concurrent"    // it was being written all the while
	CauseUnknown      = "unknown"
)

// before is what was known to be the same before a verification began.
type before struct{ backfilled, verified bool }

// cause of a difference that two looks saw alike. It is told by what must have
// been the same before: where nothing was copied yet, what new lacks is what was
// there before. Where all was verified since the fence, each write since was made
// in both stores or has left a mark, so what differs and is there in both was
// changed past the agents. In between, a later deadline in old is a write that
// did not come to new.
func (k before) cause(seen *darklaunch.Compared, evicts bool) string {
	both := seen.Found[rules.Old] && seen.Found[rules.New]
	switch {
	case seen.Class == "old_regressed", seen.Class == "missing_old" && evicts:
		return CauseEvicted
	case !k.backfilled && (seen.Class == "missing_new" || both && seen.LaterIn(rules.Old)):
		return CauseBeforeMirror
	case k.verified && both:
		return CauseBypass
	case k.backfilled && !k.verified && (seen.Class == "missing_new" || both && seen.LaterIn(rules.Old)):
		return CauseLostWrite
	}
	return CauseUnknown // what one of them lacks may be a restart, or a delete past the agents
}

// caused counts a difference by class and cause.
func (r *Report) caused(class, cause string) {
	if class == "" {
		return
	}
	if r.Causes == nil {
		r.Causes = map[string]map[string]int64{}
	}
	if r.Causes[class] == nil {
		r.Causes[class] = map[string]int64{}
	}
	r.Causes[class][cause]++
}
