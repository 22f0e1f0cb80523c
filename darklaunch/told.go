package darklaunch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// ToldMost is how many dirty sessions an agent tells, and remembers of each
// other. Past it the marks in old are all there is.
const ToldMost = 20_000

// told is what other agents say is dirty in new. A mark in old says it to every
// reader that reaches old; this says it to those who do not: such a read is
// refused, where it would give what new holds, which is older; and such a write,
// where it would go to new alone: the repair that the mark asks for copies old's.
type told struct {
	n  atomic.Int64 // sessions; readers look at it before they take mu
	mu sync.RWMutex // guards by
	by map[string]map[flags.Hash]struct{}
}

func (t *told) has(h flags.Hash) bool {
	if t.n.Load() == 0 {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, set := range t.by {
		if _, ok := set[h]; ok {
			return true
		}
	}
	return false
}

// Told replaces what one other agent says is dirty in new; none: nothing is.
func (l *Layer) Told(agent string, dirty []flags.Hash) {
	set := make(map[flags.Hash]struct{}, len(dirty))
	for _, h := range dirty[:min(len(dirty), ToldMost)] {
		set[h] = struct{}{}
	}
	t := &l.told
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[string]map[flags.Hash]struct{}{}
	}
	t.n.Add(int64(len(set) - len(t.by[agent])))
	if t.by[agent] = set; len(set) == 0 {
		delete(t.by, agent)
	}
}

// mayWriteAlone tells whether new alone may take this write where old cannot. It
// may not where another agent has marked the session in old: a repair would take
// what new holds for what is behind, and copy old's over it.
func (op *operation) mayWriteAlone(kind rules.Op, env rules.Env) bool {
	switch kind {
	case rules.Set, rules.Add, rules.Edit, rules.Touch, rules.Delete:
	default:
		return true
	}
	return op.purpose != Request || op.at.Position != position.ReadNew || env&(rules.OldDown|rules.Recovering) != 0 || !op.l.told.has(op.hash)
}

// tellEvery is how often Dirty looks whether there is something new to tell.
const tellEvery = 20 * time.Millisecond

// Dirty gives the sessions that this agent holds dirty in new, and a number that
// rises with each change; it waits until that is another than since, or ctx
// ends.
func (l *Layer) Dirty(ctx context.Context, since uint64) (dirty []flags.Hash, number uint64) {
	t := time.NewTicker(tellEvery)
	defer t.Stop()
	for number = l.dirtyChanges.Load(); number == since; number = l.dirtyChanges.Load() {
		select {
		case <-ctx.Done():
			return l.dirtyNew(), number
		case <-t.C:
		}
	}
	return l.dirtyNew(), number
}

func (l *Layer) dirtyNew() []flags.Hash {
	out := []flags.Hash{}
	if l.dirty[rules.New].Load() == 0 {
		return out
	}
	l.table.each(func(h flags.Hash, s *session) {
		if s.dirty[rules.New] && len(out) < ToldMost {
			out = append(out, h)
		}
	})
	return out
}
