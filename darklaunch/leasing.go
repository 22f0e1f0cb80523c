package darklaunch

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/lease"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	// leaveAfter is how long an agent has had no mark when it leaves the record:
	// a store that fails now and then does not have it come and go.
	leaveAfter = 5 * time.Second
	// lookRarely is how many periods pass between looks while nobody reads new.
	lookRarely = 20
)

// leased is what a read that begins now knows of marks.
func (l *Layer) leased(kind rules.Op) rules.Env {
	switch {
	case l.lease == nil:
		return 0
	case kind == rules.Get && l.lease.Held():
		return rules.Leases | rules.CleanLease
	}
	return rules.Leases
}

// leaseState is Status.Lease.
func (l *Layer) leaseState() string {
	switch {
	case l.lease == nil:
		return ""
	case l.lease.Listed():
		return "listed"
	case l.lease.Held():
		return "clean"
	}
	return "looks"
}

// leasing reads the record of markers while new is read, and leaves it when this
// agent has no marks.
func (l *Layer) leasing(ctx context.Context) {
	if l.lease == nil {
		return
	}
	tick := time.NewTicker(lease.Period)
	defer tick.Stop()
	marked := time.Now()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.marksStanding.Load() > 0 || l.marking.Load() > 0 {
			marked = time.Now()
		}
		s := l.eras.now.Load().snap
		reads := s != nil && (s.Holds(position.ReadNew) || s.Holds(position.Sealed))
		if !reads && n%lookRarely != 0 {
			continue
		}
		ask, cancel := context.WithTimeout(ctx, l.o.Old.Timeout)
		l.lease.Look(ask)
		cancel()
		if l.lease.Listed() && time.Since(marked) > leaveAfter {
			ask, cancel := context.WithTimeout(ctx, l.o.Old.Timeout)
			if err := l.lease.Leave(ask, l.unmarked); err != nil {
				marked = time.Now() // not at once again
			}
			cancel()
		}
	}
}

// unmarked: this agent has no mark, and puts none.
func (l *Layer) unmarked() bool { return l.marksStanding.Load() == 0 && l.marking.Load() == 0 }

// list puts this agent into the record of markers.
func (op *operation) list(ctx context.Context) (rules.Answer, error) {
	ends, err := op.l.lease.List(ctx)
	switch {
	case err != nil:
		return rules.Err, err
	case !time.Now().Before(ends):
		return rules.OK, nil
	}
	op.leases = ends
	return rules.No, nil
}

// waitForLeases ends when no reader has a clean lease from before this
// operation's mark.
func (op *operation) waitForLeases() rules.Answer {
	t := time.NewTimer(time.Until(op.leases))
	defer t.Stop()
	select {
	case <-t.C:
		return rules.OK
	case <-op.l.calls.Done():
		return rules.Err
	}
}

// mark makes it known to every reader that new is behind, for work that has no
// machine of its own.
func (op *operation) mark() bool {
	old := func(k rules.Kind) rules.Answer { return op.call(rules.Call{Kind: k, Side: rules.Old}) }
	if old(rules.PutMarkCall) != rules.OK {
		return false
	}
	if op.l.lease == nil {
		return true
	}
	a := old(rules.ListCall)
	if a == rules.No {
		a = old(rules.LeaseCall)
	}
	return a == rules.OK
}
