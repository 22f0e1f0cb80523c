package darklaunch

import (
	"context"
	"sync"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// session is what this agent remembers of one session while it has something
// to remember: a write under way, queued writes, calls of unknown outcome, and
// whether it is dirty.
type session struct {
	ref     kinds.Ref
	writing bool
	waiting []chan struct{} // who waits to write, first come first served
	queued  int             // writes on their way to the store that does not decide
	drained []chan struct{} // who waits for queued to be 0
	unknown [2]map[*backends.Unknown]struct{}
	dirty   [2]bool
	// again is set when the session is dirtied while it is being repaired.
	again     [2]bool
	repairing bool
	marks     int   // of ours that stand, as far as we know
	retryAt   int64 // unix nanoseconds: no repair before
	failures  int   // repairs that were left in a row
}

func (s *session) idle() bool {
	return !s.writing && len(s.waiting) == 0 && s.queued == 0 && len(s.drained) == 0 && len(s.unknown[0]) == 0 &&
		len(s.unknown[1]) == 0 && s.dirty == [2]bool{} && !s.repairing && s.marks == 0
}

const tableShards = 64

// table holds the sessions that there is something to remember of. One that is
// idle is not in it.
type table struct {
	shards [tableShards]struct {
		mu sync.Mutex // guards m and the sessions in it; no I/O under it
		m  map[flags.Hash]*session
		// spare are sessions that are in it no more, for those that come.
		spare []*session
	}
}

// spareSessions is how many are kept for those that come, in a shard.
const spareSessions = 16

// with calls fn with the session, made if need be, under its lock.
func (t *table) with(h flags.Hash, ref kinds.Ref, fn func(*session)) {
	sh := &t.shards[h[0]%tableShards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.m[h]
	if s == nil {
		if sh.m == nil {
			sh.m = map[flags.Hash]*session{}
		}
		if n := len(sh.spare); n > 0 {
			s, sh.spare = sh.spare[n-1], sh.spare[:n-1]
		} else {
			s = new(session)
		}
		s.ref = ref
		sh.m[h] = s
	}
	fn(s)
	if s.idle() {
		delete(sh.m, h)
		if len(sh.spare) < spareSessions {
			*s = session{}
			sh.spare = append(sh.spare, s)
		}
	}
}

// each calls fn with every session, shard by shard, under its lock.
func (t *table) each(fn func(flags.Hash, *session)) {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.Lock()
		for h, s := range sh.m {
			fn(h, s)
			if s.idle() {
				delete(sh.m, h)
			}
		}
		sh.mu.Unlock()
	}
}

// lockWrite waits until no other write of the session is under way in this
// agent, and, if drained, until nothing of it is queued. waited tells whether it
// had to.
func (t *table) lockWrite(ctx context.Context, h flags.Hash, ref kinds.Ref, drained bool) (waited bool, err error) {
	for {
		var wait chan struct{}
		t.with(h, ref, func(s *session) {
			switch {
			case s.writing:
				wait = make(chan struct{})
				s.waiting = append(s.waiting, wait)
			case drained && s.queued > 0:
				wait = make(chan struct{})
				s.drained = append(s.drained, wait)
			default:
				s.writing = true
			}
		})
		if wait == nil {
			return waited, nil
		}
		waited = true
		select {
		case <-wait:
		case <-ctx.Done():
			// A wake-up that is meant for us is passed on by whoever finds the
			// channel: closing it twice is what must not happen.
			t.with(h, ref, func(s *session) {
				s.waiting = without(s.waiting, wait)
				s.drained = without(s.drained, wait)
				if !s.writing {
					s.wake()
				}
			})
			return true, context.Cause(ctx)
		}
	}
}

func without(list []chan struct{}, c chan struct{}) []chan struct{} {
	for i := range list {
		if list[i] == c {
			return append(list[:i], list[i+1:]...)
		}
	}
	return list
}

// wake lets the first waiting writer look again.
func (s *session) wake() {
	if len(s.waiting) > 0 {
		close(s.waiting[0])
		s.waiting = s.waiting[1:]
	}
}

func (t *table) unlockWrite(h flags.Hash, ref kinds.Ref) {
	t.with(h, ref, func(s *session) {
		s.writing = false
		s.wake()
	})
}

// queuedOne notes that a write of the session is queued (+1) or was delivered
// (-1).
func (t *table) queuedOne(h flags.Hash, ref kinds.Ref, n int) {
	t.with(h, ref, func(s *session) {
		s.queued += n
		if s.queued == 0 {
			for _, c := range s.drained {
				close(c)
			}
			s.drained = nil
		}
	})
}

// soil makes the session dirty in one store.
func (l *Layer) soil(h flags.Hash, ref kinds.Ref, side rules.Side) {
	l.table.with(h, ref, func(s *session) {
		if s.dirty[side] {
			s.again[side] = s.repairing
			return
		}
		if l.dirty[side].Load() >= int64(l.o.DirtyMax) {
			if !l.soilAll(side) {
				l.log.Warn("the dirty set is full: all sessions count as dirty until a verification",
					"store", side.String(), "max", l.o.DirtyMax)
			}
			return
		}
		s.dirty[side], s.again[side] = true, s.repairing
		l.dirty[side].Add(1)
		l.dirtyChanges.Add(1)
	})
}

// soilAll makes all sessions dirty in one store; was tells whether they were.
func (l *Layer) soilAll(side rules.Side) (was bool) {
	l.allDirtied.Add(1) // before: see Verified
	return l.allDirty[side].Swap(true)
}

// cleanse notes that the session was repaired, unless it was dirtied meanwhile.
func (l *Layer) cleanse(h flags.Hash, ref kinds.Ref, side rules.Side) {
	l.table.with(h, ref, func(s *session) {
		if s.dirty[side] && !s.again[side] {
			s.dirty[side] = false
			l.dirty[side].Add(-1)
			l.dirtyChanges.Add(1)
		}
		s.again[side] = false
	})
}

// doubt remembers a call of unknown outcome until the doubt ends.
func (l *Layer) doubt(h flags.Hash, ref kinds.Ref, side rules.Side, u *backends.Unknown) {
	l.table.with(h, ref, func(s *session) {
		if s.unknown[side] == nil {
			s.unknown[side] = map[*backends.Unknown]struct{}{}
		}
		s.unknown[side][u] = struct{}{}
	})
	l.unknown[side].Add(1)
	l.background(func(ctx context.Context) {
		l.settle(ctx, u)
		if ctx.Err() != nil {
			return
		}
		l.table.with(h, ref, func(s *session) { delete(s.unknown[side], u) })
		l.unknown[side].Add(-1)
	})
}

// inDoubt tells whether a call of this agent for the session may still arrive.
func (l *Layer) inDoubt(h flags.Hash, ref kinds.Ref) bool {
	doubt := false
	l.table.with(h, ref, func(s *session) { doubt = len(s.unknown[0])+len(s.unknown[1]) > 0 })
	return doubt
}

// namedCalls are the calls to new of unknown outcome that marks must name: an
// entry for each, or one that names none.
func (l *Layer) namedCalls(h flags.Hash, ref kinds.Ref) []backends.Mark {
	var ms []backends.Mark
	l.table.with(h, ref, func(s *session) {
		for u := range s.unknown[rules.New] {
			m := backends.Mark{Conn: u.Conn, RunID: u.RunID}
			if m.Conn == "" {
				m.Conn = "unnamed" // there is one, and nobody else can end it
			}
			ms = append(ms, m)
		}
	})
	if len(ms) == 0 {
		ms = append(ms, backends.Mark{})
	}
	return ms
}

// standing changes how many marks of ours stand beside a session, as far as we
// know.
func (l *Layer) standing(h flags.Hash, ref kinds.Ref, change func(int) int) {
	l.table.with(h, ref, func(s *session) {
		n := max(0, change(s.marks))
		l.marksStanding.Add(int64(n - s.marks))
		s.marks = n
	})
}
