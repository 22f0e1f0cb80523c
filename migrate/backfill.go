package migrate

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// copyTries is how often a session whose copy fails is tried again.
const copyTries = 5

// Backfill copies what old held before the mirror began. Mirror must be at
// 100 %: it publishes the fence for all sessions first, waits until every agent
// has acknowledged it, and lets what they were copying end.
func (m *Migration) Backfill(ctx context.Context, progress func(Progress)) (Report, error) {
	t := tell(progress)
	cur, err := m.fenced(ctx, progress)
	if err != nil {
		return Report{}, err
	}
	c, err := m.job(ctx, "backfill", cur, darklaunch.Forward, t)
	if err != nil {
		return Report{}, err
	}
	run, err := c.open(ctx, JobBackfill)
	if err == nil {
		if err = c.emptied(run); unlisted(err) {
			err = errSilent(GateVerified)
		}
	}
	if err == nil {
		c.stage("backfill", c.size(run, rules.Old))
		err = c.scan(run, scan{side: rules.Old, phase: phaseCopy, fn: c.copy}, phaseCopy)
	}
	if err == nil {
		err = c.retry(run)
	}
	err = c.end(ctx, err)
	if unlisted(err) { // there is nothing to copy by; what new lists is compared
		return m.Verify(ctx, progress)
	}
	if err != nil {
		return c.rep, err
	}
	if c.rep.Unresolved > 0 {
		return c.rep, &Unfinished{Job: "backfill", Report: c.rep}
	}
	_, err = m.change(ctx, func(now *revision, r *record) error {
		if now.digest() == cur.digest() {
			r.Backfilled = r.ran(m, c, backfilledOf)
		}
		return nil
	})
	return c.rep, err
}

// fenced sees to it that every session is at least fenced, and that all agents
// know. A migration that is further stays where it is.
func (m *Migration) fenced(ctx context.Context, progress func(Progress)) (*revision, error) {
	if _, err := m.reach(ctx, m.fenceGoal, progress); err != nil {
		return nil, err
	}
	return m.read()
}

// fenceGoal has every session at least fenced, and nothing else moved.
func (m *Migration) fenceGoal(d flags.Definition) (goal, error) {
	ends := d.Weights.Ends()
	if ends[position.Mirror] < flags.Buckets {
		return goal{}, refuse(GateOrder, "run crossfade ramp mirror 100 first", "mirror is at %s: what is not mirrored would be behind as soon as it is copied", share(ends[position.Mirror]))
	}
	if d.Weights[position.Sealed]+d.Weights[position.Back] > 0 {
		return goal{}, refuse(GateOrder, "finish the step that was begun: crossfade ramp cutover, or crossfade rollback --to read-new", "sessions are on their way: %s", state(d))
	}
	return goal{mirror: flags.Buckets, fence: flags.Buckets, readNew: ends[position.ReadNew],
		cutover: d.Weights[position.Cutover], keepOld: m.o.KeepOld}, nil
}

// The phases of jobs, in the order in which they follow each other.
const (
	phaseCopy   = "copy"
	phaseSource = "compare the source"
	phaseTarget = "compare the target"
)

// open opens the page of the job, and says when it cannot go on where the last
// run was. The context that comes back ends with a wish to cancel.
func (c *copier) open(ctx context.Context, name string) (context.Context, error) {
	why, err := c.resume(name)
	if err != nil {
		c.job = nil
		return ctx, err
	}
	switch {
	case why != "":
		c.t.news(c.rep.Job, "begins anew: %s", why)
	case c.rep.Resumed > 0:
		c.t.news(c.rep.Job, "goes on where run %d was cut short", c.rep.Resumed)
	}
	ctx = c.job.start(ctx)
	if c.pace.o.GiveWay {
		return ctx, c.follow(ctx, &c.job.wg)
	}
	return ctx, nil
}

// copy copies a batch, and keeps what could not be copied.
func (c *copier) copy(ctx context.Context, items []item) (done bool) {
	done = true
	res := c.layer.CopyMany(ctx, refs(items), c.dir)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range res {
		c.rep.Sessions++
		switch {
		case r.Err != nil:
			done = false
			c.again = append(c.again, suspect{ref: items[i].ref, hash: items[i].hash, err: r.Err})
		case r.Evicted:
			c.rep.Evicted++
		case r.Lags:
			c.rep.Regressed++
		case r.Wrote:
			c.rep.Copied++
			c.rep.differ(r.Class)
		default:
			c.rep.Same++
		}
	}
	return done
}

// retry tries again what could not be copied.
func (c *copier) retry(ctx context.Context) error {
	for try := range copyTries {
		if len(c.again) == 0 {
			return nil
		}
		if err := pause(ctx, c.m.o.Recheck<<try); err != nil {
			return err
		}
		left := c.again
		c.again = nil
		for _, s := range left {
			r := c.layer.CopyOne(ctx, s.ref, c.dir)
			switch {
			case r.Err != nil:
				s.err = r.Err
				c.again = append(c.again, s)
			case r.Wrote:
				c.rep.Copied++
				c.rep.differ(r.Class)
			default:
				c.rep.Same++
			}
		}
	}
	c.leave(c.again)
	return ctx.Err()
}

// leave reports sessions as unresolved.
func (c *copier) leave(list []suspect) {
	c.rep.Unresolved += int64(len(list))
	for _, s := range list {
		if len(c.rep.Left) == leftMost {
			return
		}
		why := "stays different: " + s.seen.Class
		if s.err != nil {
			why = s.err.Error()
		}
		c.rep.Left = append(c.rep.Left, Left{Hash: s.hash.String(), Why: why})
	}
}

func (c *copier) run() *run {
	return &run{Epoch: c.rep.Epoch, Began: c.rep.Began, Ended: c.rep.Ended.Round(time.Millisecond), Agents: c.began, Counts: c.rep.counts(), Sample: c.rep.Sample}
}
