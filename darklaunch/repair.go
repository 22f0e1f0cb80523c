package darklaunch

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	// maxCopies is how many refills and repairs run at one time: enough to
	// mend 1,000 sessions a second at 5 ms each, few enough to leave the
	// stores to the clients.
	maxCopies = 8
	// repairFirst and repairMost are the waits after a repair that could not be
	// done: doubled each time.
	repairFirst = 100 * time.Millisecond
	repairMost  = 5 * time.Second
	repairTick  = 100 * time.Millisecond
)

// refill copies a session into new that a read found in old only.
func (l *Layer) refill(from *operation) {
	if len(from.got[rules.Old].Data) == 0 {
		return // perhaps an add that is about to write new itself
	}
	select {
	case l.copies <- struct{}{}:
	default:
		return // the next read does it
	}
	era := from.era.keep()
	hash, ref, at := from.hash, from.ref, from.at
	started := l.background(func(context.Context) {
		defer func() { <-l.copies; era.release() }()
		op := l.copyOne(era, hash, ref, at, rules.Refill)
		l.seen(ref).Copied("refill", doneOrLeft(op.m.Reply() == rules.Finished))
	})
	if !started {
		<-l.copies
		era.release()
	}
}

// copyOne runs a refill, repair or copy of one session.
func (l *Layer) copyOne(e *era, h flags.Hash, ref kinds.Ref, at flags.Decision, kind rules.Op) *operation {
	op := &operation{l: l, era: e, at: at, ref: ref, hash: h, purpose: Copy, notAfter: time.Now().Add(l.o.CopyTimeout)}
	op.slots, op.cleans = l.copies, true
	op.m = rules.Start(kind, at.Position, l.env(at))
	op.run()
	return op
}

// repairer mends the sessions that are dirty in new, while they are fenced or in
// read-new.
func (l *Layer) repairer(ctx context.Context) {
	tick := time.NewTicker(repairTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.dirty[rules.New].Load() == 0 || !l.mayRepair() {
			continue
		}
		l.repairSome(ctx)
	}
}

// mayRepair tells whether any session is where agents repair: an agent that has
// stopped does not know where they are, and elsewhere looking
// for dirty ones is work for nothing, and mirror must cost nothing.
func (l *Layer) mayRepair() bool {
	s := l.eras.now.Load().snap
	return l.Stopped() == "" && (s.Holds(position.Fenced) || s.Holds(position.ReadNew))
}

// repairSome starts a repair of every session whose time has come.
func (l *Layer) repairSome(ctx context.Context) {
	type job struct {
		hash flags.Hash
		ref  kinds.Ref
	}
	var jobs []job
	now := time.Now().UnixNano()
	l.table.each(func(h flags.Hash, s *session) {
		if s.dirty[rules.New] && !s.repairing && s.queued == 0 && len(s.unknown[0]) == 0 && len(s.unknown[1]) == 0 && s.retryAt <= now && len(jobs) < 1000 {
			s.repairing, s.again[rules.New] = true, false
			jobs = append(jobs, job{h, s.ref})
		}
	})
	for _, j := range jobs {
		select {
		case l.copies <- struct{}{}:
			e := l.eras.hold()
			l.wg.Go(func() {
				defer func() { <-l.copies; e.release() }()
				l.repairOne(e, j.hash, j.ref)
			})
		case <-ctx.Done():
			l.repaired(j.hash, j.ref, false)
		}
	}
}

func (l *Layer) repairOne(e *era, h flags.Hash, ref kinds.Ref) {
	at := e.snap.Decide(h)
	switch {
	case at.Position == position.Fenced, at.Position == position.ReadNew && at.Down == flags.NoneDown && !l.behind.Load():
	default:
		l.repaired(h, ref, false)
		return
	}
	op := l.copyOne(e, h, ref, at, rules.Repair)
	done := op.m.Reply() == rules.Finished
	l.repaired(h, ref, done)
	l.seen(ref).Repair(rules.New, doneOrLeft(done))
	l.seen(ref).Copied("repair", doneOrLeft(done))
}

func doneOrLeft(done bool) string {
	if done {
		return "done"
	}
	return "left"
}

// repaired notes how a repair ended, and when the next may begin.
func (l *Layer) repaired(h flags.Hash, ref kinds.Ref, done bool) {
	l.table.with(h, ref, func(s *session) {
		s.repairing = false
		if done {
			s.failures = 0
			return
		}
		wait := min(repairFirst<<min(s.failures, 10), repairMost)
		s.failures++
		s.retryAt = time.Now().Add(wait).UnixNano()
	})
}
