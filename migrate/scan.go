package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	// scanTries is how often a scan that fails is begun again: copies that are
	// made twice do no harm.
	scanTries = 3
	// segment is how long a scan goes on before it pauses, where somebody wants
	// to settle what it found, and the place to be kept.
	segment = time.Second
)

// errSegment ends a segment.
var errSegment = errors.New("migrate: the segment is over")

// scan is one walk through one store.
type scan struct {
	side  rules.Side
	phase string // of the job's page; empty: the place is not kept
	// fn does a batch, in several workers, and tells whether all of it is done
	// for good: only then the place moves past it.
	fn func(context.Context, []item) bool
	// settle, if there is one, is called each second with no worker running, and
	// at the end: then what stands before is done for good.
	settle func(context.Context) error
	// part is the pass, of a store that gives no places.
	part pass
}

// scan gives every session of a store to s.fn, where the store can go on with a
// scan from where the last run of the job was. Sessions may come twice; nothing
// is remembered of them, so memory does not grow with the store.
func (c *copier) scan(ctx context.Context, s scan, order ...string) error {
	place, done := c.job.from(s.phase, order)
	if done {
		return nil
	}
	st, from := c.o.Old.Store, c.m.o.Kinds.FromOld
	if s.side == rules.New {
		st, from = c.o.New.Store, c.m.o.Kinds.FromNew
	}
	sc, ok := st.(backends.Scanner)
	if !ok {
		return fmt.Errorf("migrate: %v: %w", s.side, backends.ErrUnlisted)
	}
	if _, places := st.(backends.Resumer); !places && s.phase != "" {
		return c.inPasses(ctx, sc, from, s, place)
	}
	if s.phase != "" {
		c.job.at(s.phase, place, &c.rep)
	}
	var err error
	for try := 0; try < scanTries; try++ {
		if try > 0 {
			if err := pause(ctx, time.Second<<try/2); err != nil {
				return err
			}
		}
		f := &front{start: place, place: place}
		err = c.scanOnce(ctx, sc, from, s, f)
		if f.place != place {
			place, try = f.place, -1 // it got on
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if unlisted(err) {
			return err
		}
		if s.settle != nil && (err == nil || errors.Is(err, errSegment)) {
			if err := s.settle(ctx); err != nil {
				return err
			}
		}
		if s.phase != "" && (s.settle == nil || err == nil || errors.Is(err, errSegment)) {
			c.mu.Lock()
			c.job.at(s.phase, place, &c.rep)
			c.mu.Unlock()
		}
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("migrate: scan of %v: %w: see that it answers, then run it again", s.side, err)
}

func (c *copier) scanOnce(ctx context.Context, sc backends.Scanner, from func(string) (kinds.Ref, bool), s scan, f *front) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type work struct {
		items []item
		page  *page
	}
	batches := make(chan work)
	var wg sync.WaitGroup
	for range cmp.Or(c.pace.o.Workers, c.m.o.Workers) {
		wg.Go(func() {
			for w := range batches {
				c.job.wait()
				done := c.pace.wait(ctx, len(w.items)) == nil && s.fn(ctx, w.items)
				c.done.Add(int64(len(w.items)))
				if f.finish(w.page, done) && s.phase != "" && s.settle == nil {
					c.mu.Lock()
					c.job.at(s.phase, f.at(), &c.rep)
					c.mu.Unlock()
				}
				c.tell()
			}
		})
	}
	began := time.Now()
	give := func(names []string, next string) error {
		items := c.sort(names, from, s.part)
		p := f.begin(next, (len(items)+c.m.o.Batch-1)/c.m.o.Batch)
		for len(items) > 0 {
			n := min(len(items), c.m.o.Batch)
			select {
			case batches <- work{items[:n:n], p}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			items = items[n:]
		}
		if s.settle != nil && next != "" && next != f.start && time.Since(began) > segment {
			return errSegment
		}
		return nil
	}
	var err error
	if r, ok := sc.(backends.Resumer); ok && s.phase != "" {
		var fresh bool
		if fresh, err = r.ScanFrom(ctx, f.start, give); fresh {
			c.t.news(s.phase, "%v was restarted: its scan begins anew", s.side)
		}
	} else {
		// Lists are short with some stores: a batch is filled from several.
		var rest []string
		err = sc.Scan(ctx, "", func(names []string) error {
			if rest = append(rest, names...); len(rest) < 4*c.m.o.Batch {
				return nil
			}
			full := rest
			rest = nil
			return give(full, "")
		})
		if len(rest) > 0 && ctx.Err() == nil {
			err = errors.Join(err, give(rest, "")) // after an error too
		}
	}
	close(batches)
	wg.Wait()
	if errors.Is(err, errSegment) {
		return errSegment
	}
	return errors.Join(err, ctx.Err())
}

// sort counts names by what they are, and gives the sessions that are copied. In
// passes each name counts in one: a session in its own, what is none in the first.
func (c *copier) sort(names []string, from func(string) (kinds.Ref, bool), part pass) []item {
	items := make([]item, 0, len(names))
	var locks, own, others, skipped, apart, elsewhere int64
	for _, name := range names {
		ref, ok := from(name)
		switch {
		case strings.HasPrefix(name, "crossfade:"), ok && ref.Synthetic():
			own++
			continue
		case !ok:
			others++
			continue
		case ref.Lock:
			locks++
			continue
		}
		hash, at := c.layer.Position(ref)
		if !part.holds(hash) {
			elsewhere++
			continue
		}
		if !c.counts(at) {
			skipped++
			continue
		}
		if !sampled(hash, c.rep.Sample) {
			apart++
			continue
		}
		items = append(items, item{ref, hash})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if part.n > 0 {
		elsewhere += locks + own + others
		locks, own, others = 0, 0, 0
	}
	c.rep.Names += int64(len(names)) - elsewhere
	c.rep.Locks += locks
	c.rep.Own += own
	c.rep.Others += others
	c.rep.Skipped += skipped
	c.rep.Apart += apart
	return items
}

// size is what a store says to hold, for the progress; 0: it does not say.
func (c *copier) size(ctx context.Context, side rules.Side) int64 {
	n := int64(0)
	if s, ok := c.store(side).(backends.Sizer); ok {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		n, _ = s.Size(ctx) // progress alone
	}
	c.mu.Lock()
	c.rep.Said = n
	c.mu.Unlock()
	return n
}
