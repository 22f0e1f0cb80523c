package migrate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// verifyRounds bounds how often what differs is looked at again.
const verifyRounds = 20

func errUnfenced(d flags.Definition) *Refusal {
	return refuse(GateOrder, "run crossfade backfill: it publishes the fence for all sessions", "not every session is fenced (%s): what is verified could be behind again at once", state(d))
}

// Verify compares both stores, in both directions, while clients write: what
// differs is looked at again a moment later, and a difference that is still the
// same is counted and corrected by a guarded copy, until a look finds nothing.
// All sessions must be fenced, or further. When nothing is left it writes down
// that the migration is verified, and tells the agents; one that looked at a
// sample alone (WithSample) says how many may differ, and opens nothing.
func (m *Migration) Verify(ctx context.Context, progress func(Progress)) (Report, error) {
	if share := SampleOf(ctx); !(share >= 0 && share <= 1) { // it would look at nothing, and count
		return Report{}, fmt.Errorf("migrate: a sample of %g: accepted is a share, above 0 and up to 1; 0: all sessions", share)
	}
	t := tell(progress)
	cur, err := m.read()
	if err != nil {
		return Report{}, err
	}
	if unfenced(cur.def) {
		return Report{}, errUnfenced(cur.def)
	}
	if cur, err = m.fenced(ctx, progress); err != nil {
		return Report{}, err
	}
	if err := m.notBehind(ctx, cur, t); err != nil {
		return Report{}, err
	}
	c, err := m.job(ctx, "verification", cur, darklaunch.Forward, t)
	if err != nil {
		return Report{}, err
	}
	c.before = m.sameBefore(cur)
	run, err := c.open(ctx, JobVerify)
	if err == nil {
		err = c.verify(run)
	}
	if c.rep.Sample > 0 {
		differ := shareOf(c.rep.differing(), c.rep.Sessions)
		c.rep.Differ = &differ
	}
	err = c.end(ctx, err)
	if unlisted(err) && c.rep.Sample == 0 {
		if c.rep.Unresolved > 0 {
			return c.rep, &Unfinished{Job: "verification", Report: c.rep}
		}
		return c.rep, c.soakInstead(ctx)
	}
	if err != nil {
		return c.rep, err
	}
	if _, err = m.change(ctx, func(_ *revision, r *record) error { r.Looked = c.run(); return nil }); err != nil {
		return c.rep, err
	}
	if c.rep.Unresolved > 0 {
		return c.rep, &Unfinished{Job: "verification", Report: c.rep}
	}
	if c.rep.Sample > 0 {
		return c.rep, nil
	}
	_, err = m.change(ctx, func(now *revision, r *record) error {
		if now.digest() != cur.digest() {
			return refuse(GateRevision, "run crossfade verify again", "somebody else has published revision %d", now.def.Epoch)
		}
		if m.hosts() && !r.Purged {
			return refuse(GateVerified, "run crossfade backfill on each host, then crossfade verify", "new may hold sessions that were deleted on another host: no backfill has begun with an empty new")
		}
		r.Verified, r.Invalid = r.ran(m, c, verifiedOf), ""
		return nil
	})
	if err != nil {
		return c.rep, err
	}
	return c.rep, c.passed(ctx)
}

// sameBefore is what counts as the same before a verification of this revision.
func (m *Migration) sameBefore(cur *revision) before {
	r, err := m.recorded(cur)
	if err != nil {
		return before{} // it is read again where it matters
	}
	return before{backfilled: r.Backfilled != nil, verified: r.Verified != nil}
}

// notBehind refuses to copy from an old that lacks writes.
func (m *Migration) notBehind(ctx context.Context, cur *revision, t *teller) error {
	replies, err := m.acked(ctx, cur, t, false)
	if err != nil {
		return err
	}
	no, err := m.shut(ctx, cur, cur.def, rules.NeedNotBehind, replies)
	if err == nil && no != nil {
		return no
	}
	return err
}

// verify looks at every session of the source, then at those that only the
// target has, then again at what differed. A store that cannot list its sessions
// is passed over, and the error tells of it: what the other one lists was compared.
func (c *copier) verify(ctx context.Context) error {
	source, gate := rules.Old, GateVerified
	if c.dir == darklaunch.Backward {
		source, gate = rules.New, GateReversed
	}
	var silent error
	for i, side := range []rules.Side{source, source.Other()} {
		phase := []string{phaseSource, phaseTarget}[i]
		c.stage(fmt.Sprintf("%s of %v", c.rep.Job, side), c.size(ctx, side))
		fn := func(ctx context.Context, items []item) bool {
			return c.look(ctx, items, source, i > 0 && silent == nil)
		}
		err := backends.ErrUnlisted
		if c.m.lists(ctx, side) { // asked also where the run goes on behind this phase
			err = c.scan(ctx, scan{side: side, phase: phase, fn: fn, settle: c.settle}, phaseCopy, phaseSource, phaseTarget)
		}
		switch {
		case unlisted(err) && (silent != nil || c.m.hosts()):
			return errSilent(gate)
		case unlisted(err):
			silent = err
		case err != nil:
			return err
		}
	}
	return cmp.Or(ctx.Err(), silent)
}

// settle looks again at what differed until nothing does, or to the last round.
func (c *copier) settle(ctx context.Context) error {
	clear(c.suspected)
	most := c.rep.Rounds
	defer func() { c.rep.Rounds = max(c.rep.Rounds, most) }()
	for c.rep.Rounds = 1; len(c.again) > 0; c.rep.Rounds++ {
		if c.rep.Rounds > verifyRounds {
			for _, s := range c.again {
				c.given[s.hash] = true
				if s.err == nil {
					c.rep.caused(s.seen.Class, CauseConcurrent)
				}
			}
			c.leave(c.again)
			c.again = nil
			return ctx.Err()
		}
		c.t.tell(Progress{Phase: fmt.Sprintf("looking again, round %d", c.rep.Rounds), Total: int64(len(c.again))})
		if err := pause(ctx, c.m.o.Recheck); err != nil {
			return err
		}
		left := c.again
		c.again = nil
		for batch := range slices.Chunk(left, c.m.o.Batch) {
			c.lookAgain(ctx, batch)
		}
	}
	return ctx.Err()
}

// look is the first look at a batch. In the second walk what the source holds
// was counted in the first.
func (c *copier) look(ctx context.Context, items []item, source rules.Side, second bool) bool {
	res := c.layer.CompareMany(ctx, refs(items), c.dir)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range res {
		h := items[i].hash
		if c.suspected[h] || c.given[h] {
			continue
		}
		if !second || !r.Found[source] {
			c.rep.Sessions++
			if r.Err == nil && r.Class == "" {
				c.rep.Same++
			}
		}
		if r.Err == nil && r.Class == "" {
			continue
		}
		if second && r.Class == "old_regressed" && r.Found[source] {
			continue // it stays as it is, and was counted in the first walk
		}
		c.suspected[h] = true
		c.again = append(c.again, suspect{ref: items[i].ref, hash: h, seen: r, err: r.Err})
	}
	return true
}

// lookAgain looks at sessions that differed. Where both looks saw the same
// difference nobody is writing: it is one, and is corrected.
func (c *copier) lookAgain(ctx context.Context, list []suspect) {
	items := make([]item, len(list))
	for i, s := range list {
		items[i] = item{s.ref, s.hash}
	}
	var correct []suspect
	for i, r := range c.layer.CompareMany(ctx, refs(items), c.dir) {
		s := list[i]
		before := s.seen
		s.seen, s.err = r, r.Err
		switch {
		case r.Err != nil:
			c.again = append(c.again, s)
		case r.Class == "" && s.copied:
			c.rep.Copied++
		case r.Class == "":
			c.rep.Races++
		case r.Same(before) || c.rep.Rounds >= verifyRounds/2:
			// In the later rounds also what is written all the time: a guarded
			// copy cannot overwrite what is newer.
			s.found = r.Same(before) && !s.copied
			correct = append(correct, s)
		default:
			c.again = append(c.again, s)
		}
	}
	c.correct(ctx, correct)
}

// correct makes the target like the source.
func (c *copier) correct(ctx context.Context, list []suspect) {
	items := make([]item, len(list))
	for i, s := range list {
		items[i] = item{s.ref, s.hash}
	}
	if len(items) == 0 {
		return
	}
	for i, r := range c.layer.CopyMany(ctx, refs(items), c.dir) {
		s := list[i]
		if s.found && !r.Evicted {
			c.rep.Differences[s.seen.Class]++
			c.rep.caused(s.seen.Class, c.before.cause(&s.seen, c.o.Old.Evicts))
		}
		switch {
		case r.Err != nil:
			s.err = r.Err
		case r.Evicted:
			c.rep.Evicted++
			continue
		case r.Lags:
			c.rep.Regressed++
			continue
		case c.rep.Rounds > verifyRounds/2 && !r.Wrote:
			c.rep.Races++ // the guarded look found the two alike
			continue
		default:
			s.copied = true
		}
		c.again = append(c.again, s)
	}
}
