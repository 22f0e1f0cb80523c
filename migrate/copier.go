package migrate

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// copier is one job that copies: a backfill, a verification, a reverse copy.
type copier struct {
	m      *Migration
	t      *teller
	cur    *revision
	dir    darklaunch.Direction
	lease  *lease
	o      darklaunch.Options
	layer  *darklaunch.Layer
	before before            // what was the same before it began
	began  map[string]string // the agents: address and start id
	names  map[string]string // of the agents, by address
	dirty  map[string]uint64 // of each, its AllDirtied
	// One of them does not remember all that is dirty in old, or in new.
	forgotOld, forgotNew bool
	// cleanFrom is the life before each agent's, where that ended cleanly.
	cleanFrom map[string]string
	job       *job // nil: it cannot go on where it was
	pace      *pace

	rep   Report
	mu    sync.Mutex // guards rep's maps and lists, and again
	again []suspect  // sessions to look at again
	// suspected are those of again, and given those that were left: they may be
	// listed twice.
	suspected, given map[flags.Hash]bool

	done  atomic.Int64
	total int64
	phase string
	start time.Time
}

// suspect is a session that differed, or could not be copied.
type suspect struct {
	ref  kinds.Ref
	hash flags.Hash
	seen darklaunch.Compared
	err  error
	// copied is set once the target was made like the source.
	copied bool
	// found is set when two looks saw the same difference.
	found bool
}

// job begins a job: nobody else copies, every agent has acknowledged the
// revision that stands, and what agents copied by themselves until now has
// ended.
func (m *Migration) job(ctx context.Context, name string, cur *revision, dir darklaunch.Direction, t *teller) (*copier, error) {
	o, err := m.stores()
	if err != nil {
		return nil, err
	}
	l, err := m.take(ctx, name)
	if err != nil {
		return nil, err
	}
	c := &copier{m: m, t: t, cur: cur, dir: dir, lease: l, o: o, began: map[string]string{}, cleanFrom: map[string]string{}, names: map[string]string{}, dirty: map[string]uint64{},
		suspected: map[flags.Hash]bool{}, given: map[flags.Hash]bool{}, pace: newPace(m.paceOf(ctx)), start: time.Now()}
	c.rep = Report{Sample: SampleOf(ctx), Job: name, Epoch: cur.def.Epoch, Began: time.Now().UTC(), Differences: map[string]int64{}}
	if err := c.begin(ctx); err != nil {
		l.release(true)
		return nil, err
	}
	return c, nil
}

func (c *copier) begin(ctx context.Context) error {
	now, err := c.m.read()
	if err != nil {
		return err
	}
	if now.digest() != c.cur.digest() {
		return refuse(GateRevision, "run it again", "somebody else has published revision %d", now.def.Epoch)
	}
	replies, err := c.m.acked(ctx, c.cur, c.t, false)
	if err != nil {
		return err
	}
	for _, a := range replies {
		c.began[a.addr] = a.status.Start
		c.names[a.addr], c.dirty[a.addr] = a.name(), a.status.AllDirtied
		c.cleanFrom[a.addr] = a.status.CleanFrom
		c.forgotOld, c.forgotNew = c.forgotOld || a.status.AllDirtyOld, c.forgotNew || a.status.AllDirtyNew
	}
	if err := c.known(); err != nil {
		return err
	}
	c.t.tell(Progress{Phase: "waiting for what agents are copying"})
	if err := c.m.agents().each(func(_ int, a *agentapi.Client) error { return a.Barrier(ctx) }); err != nil {
		return fmt.Errorf("migrate: barrier: %w: run it again", err)
	}
	c.o.Flags, c.o.StateDir, c.o.CompareRatio = flags.NewStatic(c.cur.snap), "", 0
	c.layer, err = darklaunch.New(c.o)
	return err
}

// end waits until nothing that the job sent can arrive any more, and closes it.
// An error says that the job proves nothing. The job's page is written before the
// lease is given back: without it nothing is written.
func (c *copier) end(ctx context.Context, err error) error {
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.m.copyMost()+5*time.Second)
	defer cancel()
	settled := true
	for s := c.layer.Status(); s.UnknownOld+s.UnknownNew > 0; s = c.layer.Status() {
		if pause(wait, 20*time.Millisecond) != nil {
			settled = false
			break
		}
	}
	c.layer.Close()
	if err == nil && !settled {
		err = fmt.Errorf("migrate: %s: a store has not said what became of a write: run it again", c.rep.Job)
	}
	if err == nil {
		err = c.alive(ctx)
	}
	c.rep.Ended = time.Now().UTC()
	if c.job != nil {
		// What a backfill could not copy is tried again from its place; a
		// verification that left something begins anew.
		// One that a store could not list for has come to its end too.
		c.job.end((err == nil || unlisted(err)) && (c.job.name != JobBackfill || c.rep.Unresolved == 0), &c.rep)
	}
	c.lease.release(settled)
	return err
}

// passed tells the agents whose old was looked at that what they could not
// remember as dirty when it began counts for nothing any more. What they could
// not remember since stays, and the gates say so.
func (c *copier) passed(ctx context.Context) error {
	return c.m.agents().each(func(_ int, a *agentapi.Client) error {
		if c.m.hosts() && c.names[a.Addr()] != c.m.o.Host {
			return nil
		}
		_, err := a.Verified(ctx, c.dirty[a.Addr()])
		return err
	})
}

// alive tells whether the agents are those that were there when it began: one
// that died took with it what it had not written yet.
func (c *copier) alive(ctx context.Context) error {
	replies, err := c.m.acked(ctx, c.cur, c.t, false)
	if err != nil {
		return err
	}
	for _, a := range replies {
		was := c.began[a.addr]
		if a.status.Start != was && a.status.CleanFrom != was {
			return fmt.Errorf("migrate: %s: agent %s was started anew meanwhile: run it again", c.rep.Job, a.name())
		}
		c.began[a.addr] = a.status.Start
	}
	return nil
}

// counts tells whether a session is copied in this direction.
func (c *copier) counts(at flags.Decision) bool {
	switch at.Position {
	case position.Mirror, position.Fenced:
		return c.dir == darklaunch.Forward
	case position.ReadNew:
		recovering := at.Down == flags.OldRecovering
		return (c.dir == darklaunch.Backward) == recovering
	case position.Back:
		return c.dir == darklaunch.Backward
	}
	return false
}

// item is a session on its way to a worker.
type item struct {
	ref  kinds.Ref
	hash flags.Hash
}

func (c *copier) tell() {
	done, took := c.done.Load(), time.Since(c.start).Seconds()
	p := Progress{Phase: c.phase, Done: done, Total: max(c.total, done), Rate: float64(done) / max(took, 0.001)}
	if c.total > done && p.Rate > 0 {
		p.ETA = time.Duration(float64(c.total-done) / p.Rate * float64(time.Second)).Round(time.Second)
	}
	c.lease.progress(p.Done, p.Total)
	c.job.progress(p)
	c.t.tell(p)
}

func (c *copier) stage(phase string, total int64) {
	c.phase, c.total, c.start = phase, total, time.Now()
	c.done.Store(0)
}

func refs(items []item) []kinds.Ref {
	out := make([]kinds.Ref, len(items))
	for i := range items {
		out[i] = items[i].ref
	}
	return out
}
