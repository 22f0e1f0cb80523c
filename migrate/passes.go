package migrate

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// A store that can only list what it holds from the beginning (memcached, session
// files) gives no place to go on from. It is gone through in passes: each lists all
// names, and looks at those sessions whose hash lies in its range. A run that was
// killed goes on with the pass that it was in. To list is cheap beside looking:
// memcached 1.6 gives 1.3 million names a second, and to copy a session takes some
// 50 µs (BenchmarkBackfill: 19,800 sessions/s of 10,000 in one pass, 20,100 of
// 100,000 in eight).

const (
	// passesMost is how many passes there are: the list is read so often, and of
	// what was done a kill costs an eighth at most.
	passesMost = 8
	// onePass is how many sessions are worth no second list: done anew in seconds.
	onePass = 50_000
)

// pass is one of them. Its zero value is all there is.
type pass struct{ n, of int } // n from 0

// holds tells whether a session is looked at in this pass. It goes by a byte of
// the keyed hash that no other share of the sessions goes by.
func (p pass) holds(h flags.Hash) bool { return p.of <= 1 || int(h[6])*p.of>>8 == p.n }

// String is the pass as a place to go on from.
func (p pass) String() string { return fmt.Sprintf("pass %d of %d", p.n, p.of) }

// passAt is the pass to begin with: that of the place, or the first.
func passAt(place string, said, few int64) (p pass) {
	if n, _ := fmt.Sscanf(place, "pass %d of %d", &p.n, &p.of); n == 2 && p.n >= 0 && p.of > 0 && p.of <= passesMost && p.n <= p.of {
		return p
	}
	if said > 0 && said <= few {
		return pass{0, 1}
	}
	return pass{0, passesMost}
}

// inPasses is scan of a store that gives no places. One that could not be done for
// good (copies failed, and are tried again at the end) is where a later run begins.
func (c *copier) inPasses(ctx context.Context, sc backends.Scanner, from func(string) (kinds.Ref, bool), s scan, place string) error {
	whole := true
	for s.part = passAt(place, c.rep.Said, c.m.onePass); s.part.n < s.part.of; s.part.n++ {
		c.job.keep(s.phase, s.part, whole, c)
		var err error
		for try := range scanTries {
			if try > 0 {
				if err := pause(ctx, time.Second<<try/2); err != nil {
					return err
				}
			}
			f := &front{}
			if err = c.scanOnce(ctx, sc, from, s, f); ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err == nil {
				whole = whole && f.empty()
				break
			}
			if unlisted(err) {
				return err
			}
		}
		if err != nil {
			return fmt.Errorf("migrate: scan of %v: %w: see that it answers, then run it again", s.side, err)
		}
		if s.settle != nil {
			if err := s.settle(ctx); err != nil {
				return err
			}
		}
	}
	c.job.keep(s.phase, s.part, whole, c)
	return nil
}

// keep notes where to go on, if all before it is done for good.
func (j *job) keep(phase string, p pass, whole bool, c *copier) {
	if whole {
		c.mu.Lock()
		defer c.mu.Unlock()
		j.at(phase, p.String(), &c.rep)
	}
}
