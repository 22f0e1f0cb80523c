// Package demo shows a whole migration on this machine: a crowd of users on two
// agents, every stage there, a rollback, and every stage again, judged by a
// ledger that knows only what the users wrote and were told.
//
//	verdict, err := demo.Run(ctx, demo.Options{Out: os.Stdout})
//	fmt.Println(verdict) // logouts: 0, lost writes: 0, resurrected: 0, refused: 0 (allowed 0), requests: 254310
package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/ledger"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate"
)

// Options of a show. The zero value is the whole migration on embedded stores.
type Options struct {
	Out io.Writer
	// Naive migrates in the usual way: two percentage flags, no fence, no marks.
	Naive bool
	// Real uses a memcached and a Redis that it starts itself.
	Real bool
	// Break is "", "new" or "old": which store is killed and stalled on the way.
	Break string
	// Users click all the time; a fifth more log in and idle until the end.
	// Default 2,000.
	Users int
	// Pause between two clicks of a user. Default 700 ms.
	Pause time.Duration
	// Dwell is how long each step is watched. Default 700 ms.
	Dwell time.Duration
}

// Verdict is what the users' ledger says.
type Verdict struct {
	*ledger.Ledger
	Allowed int64 // refusals that the faults explain
	Took    time.Duration
}

// Good tells whether nobody noticed: nothing lost, and no refusal that no fault
// explains.
func (v *Verdict) Good() bool { return !v.Broken() && v.Refused.Load() <= v.Allowed }

func (v *Verdict) String() string { return v.Line(v.Allowed) }

// Run plays the show. The error is one of the machinery; whether the users
// noticed anything is in the verdict.
func Run(ctx context.Context, o Options) (*Verdict, error) {
	if o.Users == 0 {
		o.Users = 2000
	}
	if o.Pause == 0 {
		o.Pause = 700 * time.Millisecond
	}
	if o.Dwell == 0 {
		o.Dwell = 700 * time.Millisecond
	}
	p := embedded()
	if o.Real {
		var err error
		if p, err = realServers(ctx); err != nil {
			return nil, err
		}
	}
	defer p.close()
	s := &show{o: o, pair: p, book: &ledger.Ledger{}, began: time.Now()}
	var err error
	if o.Naive {
		err = s.naive(ctx)
	} else {
		err = s.migrate(ctx)
	}
	return &Verdict{Ledger: s.book, Allowed: s.excused, Took: time.Since(s.began)}, err
}

// show is one run.
type show struct {
	o       Options
	pair    *pair
	fleet   *fleet
	traffic *traffic
	book    *ledger.Ledger
	began   time.Time
	excused int64

	requests, misses, differ int64 // at the last line
}

func (s *show) printf(format string, args ...any) { fmt.Fprintf(s.o.Out, format, args...) }

func (s *show) header() {
	s.printf("%-34s %9s %7s %11s %8s  %-17s %-17s\n", "step", "requests", "misses", "divergences", "refused", "old p50/p99 ms", "new p50/p99 ms")
}

// line tells what happened since the last one.
func (s *show) line(step string) {
	req, miss, differ := s.book.Requests.Load(), s.traffic.misses.Load(), int64(0)
	quant := [2]string{"-", "-"}
	if s.fleet != nil {
		differ = s.fleet.watch.divergences()
		for i := range quant {
			a, b := s.fleet.watch.quantiles(rules.Side(i))
			quant[i] = fmt.Sprintf("%.2f / %.2f", a, b)
		}
	}
	s.printf("%-34s %9d %7d %11d %8d  %-17s %-17s\n", step, req-s.requests, miss-s.misses, differ-s.differ, s.book.Refused.Load(), quant[0], quant[1])
	s.requests, s.misses, s.differ = req, miss, differ
}

// crowd lets the users in: most click, some log in and idle until the end.
func (s *show) crowd(cs []client) (finish func()) {
	s.traffic = &traffic{agents: cs, book: s.book, pause: s.o.Pause}
	idle := make([]string, s.o.Users/5)
	for i := range idle {
		idle[i] = s.traffic.newID(1_000_000 + i)
		if !s.traffic.login(cs[i%len(cs)], idle[i]) {
			idle[i] = ""
		}
	}
	s.traffic.start(s.o.Users)
	return func() {
		s.traffic.finish()
		for i, id := range idle { // back from lunch
			if id != "" {
				s.traffic.read(cs[i%len(cs)], id)
			}
		}
		for _, id := range s.traffic.out { // who logged out is still out
			s.traffic.read(cs[0], id)
		}
		s.excused = s.traffic.excused.Load()
	}
}

func (s *show) dwell(ctx context.Context) error {
	select {
	case <-time.After(s.o.Dwell):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// step does one thing, watches it for a while, and prints a line.
func (s *show) step(ctx context.Context, name string, do func() error) error {
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := s.dwell(ctx); err != nil {
		return err
	}
	s.line(name)
	return nil
}

// migrate is the whole way: there, back to mirror, and there again.
func (s *show) migrate(ctx context.Context) (err error) {
	if s.fleet, err = newFleet(ctx, s.pair); err != nil {
		return err
	}
	defer func() {
		if e := s.fleet.close(); err == nil {
			err = e
		}
	}()
	finish := s.crowd(s.fleet.clients())
	defer func() { finish(); s.line("the idle come back") }()
	s.header()
	m := s.fleet.orchest
	quiet := func(migrate.Progress) {}
	ramp := func(stage string, percents ...float64) error {
		for _, p := range percents {
			err := s.step(ctx, fmt.Sprintf("%s %g %%", stage, p), func() error {
				_, err := m.Ramp(ctx, stage, int(p*100), quiet)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	copies := func() error {
		if err := s.step(ctx, "backfill", func() error { _, err := m.Backfill(ctx, quiet); return err }); err != nil {
			return err
		}
		return s.step(ctx, "verify", func() error { _, err := m.Verify(ctx, quiet); return err })
	}
	breaks := func(at string) error {
		if s.o.Break != "new" {
			return nil
		}
		return s.breakNew(ctx, at)
	}
	plan := []func() error{
		func() error { return s.dwell(ctx) },
		func() error { s.line("off"); return nil },
		func() error { return ramp("mirror", 1, 25, 100) },
		func() error { return breaks("mirror") },
		copies,
		func() error { return breaks("fenced") },
		func() error {
			if s.o.Break == "new" {
				return copies() // what a killed server forgot
			}
			return nil
		},
		func() error { return ramp("read-new", 1, 10, 50, 100) },
		func() error { return breaks("read-new") },
		func() error {
			if s.o.Break != "old" {
				return nil
			}
			return s.breakOld(ctx)
		},
		func() error {
			return s.step(ctx, "rollback to mirror", func() error { _, err := m.Rollback(ctx, "mirror", quiet); return err })
		},
		copies,
		func() error { return ramp("read-new", 25, 100) },
		func() error { return ramp("cutover", 1, 25, 100) },
		func() error {
			if s.o.Break != "old" {
				return nil
			}
			return s.breakOldInCutover(ctx)
		},
	}
	for _, p := range plan {
		if err := p(); err != nil {
			return err
		}
	}
	return nil
}
