package darklaunch

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// recentWindow is how much of what new has acknowledged it may lose when another
// server takes its place: a replica that lags further behind than this loses
// more than agents look for.
const recentWindow = 60 * time.Second

// recent remembers which sessions this agent has changed in new in the last
// recentWindow, and no data of them. Two generations of a map, so that a session
// that is written often is in it once, and forgetting costs nothing.
type recent struct {
	most int // sessions in one generation

	mu         sync.Mutex // guards what follows
	cur, prev  map[flags.Hash]change
	began      time.Time // of cur
	full, past bool      // a session did not fit cur, prev
}

// change is the last one that this agent made to a session in new.
type change struct {
	hash    flags.Hash
	ref     kinds.Ref
	at      int64 // unix nanoseconds of the answer
	deleted bool
}

// add notes a change that new has acknowledged.
func (r *recent) add(c change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.cur[c.hash]; !known && len(r.cur) >= r.most {
		r.full = true
		return
	}
	if r.cur == nil {
		r.cur = map[flags.Hash]change{}
	}
	r.cur[c.hash] = c
}

// forget drops what is older than the window. It is called only when new has
// just answered as the server that it was: what was written while it did not
// answer must still be known when it does.
func (r *recent) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.began) < recentWindow {
		return
	}
	r.prev, r.past = r.cur, r.full
	r.cur, r.full, r.began = nil, false, now
}

// all gives the sessions, the one changed last first: a failover loses the last
// changes. whole is false when there were more than are remembered.
func (r *recent) all() (list []change, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.cur {
		list = append(list, c)
	}
	for h, c := range r.prev {
		if _, newer := r.cur[h]; !newer {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b change) int { return cmp.Compare(b.at, a.at) })
	return list, !r.full && !r.past
}

// noteChange remembers what new has taken. No position is asked: a session may
// be in another when new's server changes.
func (l *Layer) noteChange(op *operation, c rules.Call) {
	if c.Side != rules.New || op.ref.Kind().Stays != "" {
		return
	}
	n := change{hash: op.hash, ref: op.ref}
	switch c.Kind {
	case rules.SetCall, rules.ReviveCall, rules.TouchCall, rules.AddCall, rules.AddUndoCall, rules.SwapCall:
	case rules.DeleteCall, rules.BuryCall, rules.BuryIfCall, rules.RemoveIfCall, rules.UndoCall:
		n.deleted = true
	default:
		return // a read, a lock, a record of this agent
	}
	n.at = time.Now().UnixNano()
	l.recent.add(n)
}
