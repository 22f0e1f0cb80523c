package darklaunch

import (
	"context"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	// recompareBatch is how many sessions are looked at in one round trip to each
	// store: at some 5 ms for 256, the writes of a minute at 500 a second are
	// through within the second that the look at run ids leaves of the two that
	// the contract allows.
	recompareBatch = 256
	// distrustWorkers put marks at one time.
	distrustWorkers = 8
)

// newAnswered is told each second that new answers, and whether as the server
// that it was. Another one may lack the last writes that the one before had
// acknowledged.
func (l *Layer) newAnswered(same bool) {
	if same {
		l.recent.forget(time.Now())
		return
	}
	l.failovers.Add(1)
	select {
	case l.lookAtRecent <- struct{}{}:
	default: // it will be looked at from the beginning anyway
	}
}

// recomparing compares what this agent has lately changed in new each time that
// new has become another server. Each agent does so with its own changes, so
// that all are looked at by somebody.
func (l *Layer) recomparing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.lookAtRecent:
		}
		list, whole := l.recent.all()
		if !whole {
			l.soilAll(rules.New)
			l.log.Warn("new has become another server, and more was written lately than is remembered: all sessions count as dirty until a verification")
		}
		found, unmended := l.distrusted.Load(), l.unmended.Load()
		for len(list) > 0 {
			if list = l.recompare(ctx, list); len(list) > 0 && !rest(ctx, repairFirst) {
				return // what could not be looked at stays unknown to this life
			}
		}
		l.log.Warn("new has become another server: compared what was written there lately",
			"sessions", l.recompared.Load(), "behind", l.distrusted.Load()-found)
		if n := l.unmended.Load() - unmended; n > 0 {
			l.log.Error("new has become another server while old lacks writes too: where they differ either may have lost the last write, and it cannot be repaired from anywhere", "sessions", n)
		}
	}
}

// recompare looks at the sessions in their order, and gives those that it could
// not judge.
func (l *Layer) recompare(ctx context.Context, list []change) (left []change) {
	for len(list) > 0 && ctx.Err() == nil {
		n := min(len(list), recompareBatch)
		refs := make([]kinds.Ref, n)
		for i, c := range list[:n] {
			refs[i] = c.ref
		}
		var differ []change
		for i, r := range l.CompareMany(ctx, refs, Forward) {
			switch c := list[i]; {
			case r.Err != nil:
				left = append(left, c)
				continue
			case r.Class != "" && !l.excused(r.Class, c):
				differ = append(differ, c)
			}
			l.recompared.Add(1)
		}
		left = append(left, l.distrust(differ)...)
		list = list[n:]
	}
	return append(left, list...)
}

// excused tells that the difference is no loss of new's: old's slower tier, or
// old has evicted what nobody deleted here.
func (l *Layer) excused(class string, c change) bool {
	return class == "old_regressed" || class == "missing_old" && l.o.Old.Evicts && !c.deleted
}

// distrust marks sessions in old, so that every agent's readers go by old from
// now on, and has them repaired from there. One that is written meanwhile may be
// among them: its repair finds nothing to do. It gives those whose mark old did
// not take.
func (l *Layer) distrust(list []change) (left []change) {
	var mu sync.Mutex // guards left
	var wg sync.WaitGroup
	next := make(chan change)
	for range min(distrustWorkers, len(list)) {
		wg.Go(func() {
			for c := range next {
				if !l.distrustOne(c) {
					mu.Lock()
					left = append(left, c)
					mu.Unlock()
				}
			}
		})
	}
	for _, c := range list {
		next <- c
	}
	close(next)
	wg.Wait()
	return left
}

func (l *Layer) distrustOne(c change) (done bool) {
	e := l.eras.hold()
	defer e.release()
	at := e.snap.Decide(c.hash)
	switch at.Position {
	case position.Mirror, position.Fenced, position.ReadNew, position.Sealed:
	default:
		return true // new is not used, or alone decides
	}
	if at.Down != flags.NoneDown || l.behind.Load() {
		l.unmended.Add(1)
		return true // old lacks writes itself: nothing is copied from it
	}
	op := &operation{l: l, era: e, at: at, ref: c.ref, hash: c.hash, purpose: Copy}
	// Nobody reads new while it is mirrored only, and no step to where it is
	// read begins while something is dirty. Elsewhere the mark comes first: a
	// repair that finds none has nothing to do.
	if at.Position != position.Mirror && !op.mark() {
		return false
	}
	l.soil(c.hash, c.ref, rules.New)
	l.distrusted.Add(1)
	return true
}
