package migrate

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// reverse makes old whole again: what new holds is copied to old and verified
// in both directions, and each agent copies what it knows to be behind. Where a
// store cannot list its sessions, a soak stands in the place of what that would show.
// The sessions are in back, or old is recovering.
func (m *Migration) reverse(ctx context.Context, cur *revision, t *teller) (Report, error) {
	c, err := m.job(ctx, "reverse copy", cur, darklaunch.Backward, t)
	if err != nil {
		return Report{}, err
	}
	run, err := c.open(ctx, jobReverse)
	if err == nil {
		c.stage("reverse copy", c.size(run, rules.New))
		err = c.scan(run, scan{side: rules.New, phase: phaseCopy, fn: c.copy}, phaseCopy, phaseSource, phaseTarget)
	}
	if unlisted(err) { // what old lists is compared below
		err = nil
	}
	if err == nil {
		err = c.retry(run)
	}
	if err == nil && c.rep.Unresolved == 0 {
		err = c.verify(run)
	}
	var soaks time.Duration
	if unlisted(err) { // what only the other store holds is written again, or ends
		soaks, err = m.soakFor(GateReversed)
	}
	if err == nil && c.rep.Unresolved == 0 {
		err = m.dirtyBack(run, t)
	}
	err = c.end(ctx, err)
	if err != nil {
		return c.rep, err
	}
	if c.rep.Unresolved > 0 {
		return c.rep, &Unfinished{Job: "reverse copy", Report: c.rep}
	}
	_, err = m.change(ctx, func(now *revision, r *record) error {
		if now.digest() != cur.digest() {
			return refuse(GateRevision, "run it again", "somebody else has published revision %d", now.def.Epoch)
		}
		if r.Reversed = r.ran(m, c, reversedOf); r.Reversed != nil {
			r.Roamed = false
		}
		switch {
		case soaks == 0:
			r.SoakBack = nil
		case r.SoakBack == nil, c.forgotOld:
			r.SoakBack = &soak{Since: time.Now().UTC(), For: soaks}
		}
		return nil
	})
	if err != nil {
		return c.rep, err
	}
	t.news("reverse copy", "%d sessions, %d copied to old", c.rep.Sessions, c.rep.Copied)
	// What was full of dirty sessions counts for nothing any more. New was not
	// compared: it decides.
	return c.rep, c.passed(ctx)
}

// dirtyBack lets the agents copy back what they hold dirty in old, until
// nothing is: under live traffic with a failing old there is always more.
func (m *Migration) dirtyBack(ctx context.Context, t *teller) error {
	for try := range copyTries {
		agents := m.agents()
		left := make([]int, len(agents))
		err := agents.each(func(i int, a *agentapi.Client) error {
			r, err := a.CopyBackDirty(ctx)
			left[i] = r.Left
			return err
		})
		if err != nil {
			return err
		}
		sum := 0
		for _, n := range left {
			sum += n
		}
		if sum == 0 {
			return nil
		}
		t.tell(Progress{Phase: "agents copy back what is dirty in old", Total: int64(sum)})
		if err := pause(ctx, 100*time.Millisecond<<try); err != nil {
			return err
		}
	}
	return nil // the gate says what is left
}
