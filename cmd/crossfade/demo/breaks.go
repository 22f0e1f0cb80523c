package demo

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/migrate"
)

const outage = 2 * time.Second

// breakNew kills new for a while, then stalls it. Users must not notice. Where
// old can evict, a read of a session that does not live may be refused in
// read-new: old's miss proves nothing, and new cannot say.
func (s *show) breakNew(ctx context.Context, at string) error {
	s.traffic.allow.misses.Store(s.pair.evicts && at == "read-new")
	defer s.traffic.allow.misses.Store(false)
	for _, b := range []struct {
		name string
		do   func() error
	}{{"killed", s.pair.newSrv.kill}, {"stalled", s.pair.newSrv.stall}} {
		err := s.step(ctx, at+", new "+b.name, func() error {
			if err := b.do(); err != nil {
				return err
			}
			if err := sleep(ctx, outage); err != nil {
				return err
			}
			return s.pair.newSrv.mend()
		})
		if err != nil {
			return err
		}
		// Until the breaker has let a call through again.
		if err := sleep(ctx, 1500*time.Millisecond); err != nil {
			return err
		}
	}
	if at == "read-new" {
		// A killed server may have lost what it held: nothing is sealed before
		// it was looked at.
		return s.step(ctx, "verify again", func() error {
			_, err := s.fleet.orchest.Verify(ctx, func(migrate.Progress) {})
			return err
		})
	}
	return nil
}

// breakOld kills old in settled read-new: reads and writes go on from new, locks
// wait until old is declared down. Then old comes back, and is made whole.
func (s *show) breakOld(ctx context.Context) error {
	m, quiet := s.fleet.orchest, func(migrate.Progress) {}
	a := &s.traffic.allow
	a.locks.Store(true)
	a.misses.Store(true) // in new there is nothing, and only old could say
	a.writes.Store(true) // in flight at the kill
	err := s.step(ctx, "read-new settled, old killed", s.pair.oldSrv.kill)
	if err != nil {
		return err
	}
	a.writes.Store(false)
	err = s.step(ctx, "old declared down", func() error { _, err := m.DeclareDown(ctx, "old", quiet); return err })
	if err != nil {
		return err
	}
	// From here on nothing may be refused.
	a.locks.Store(false)
	a.misses.Store(false)
	if err := s.step(ctx, "without old", func() error { return sleep(ctx, outage) }); err != nil {
		return err
	}
	return s.step(ctx, "old is back and made whole", func() error {
		if err := s.pair.oldSrv.mend(); err != nil {
			return err
		}
		// Sealing needs both stores for every lock: one that is not granted by
		// both is refused.
		_, err := m.Recover(ctx, "old", quiet)
		return err
	})
}

// breakOldInCutover: nobody needs old any more.
func (s *show) breakOldInCutover(ctx context.Context) error {
	return s.step(ctx, "cutover, old killed", func() error {
		if err := s.pair.oldSrv.kill(); err != nil {
			return err
		}
		return sleep(ctx, outage)
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// naive is the usual way, on the same traffic.
func (s *show) naive(ctx context.Context) error {
	n := &naive{old: s.pair.old, new: s.pair.new, lockers: s.pair.old.(backends.Locker)}
	finish := s.crowd([]client{n, n})
	defer func() { finish(); s.line("the idle come back") }()
	s.header()
	for _, f := range []struct {
		name          string
		writes, reads int64
	}{
		{"off", 0, 0}, {"writes to new 1 %", 1, 0}, {"writes 25 %", 25, 0}, {"writes 50 %, reads 25 %", 50, 25},
		{"writes 100 %, reads 50 %", 100, 50}, {"reads 100 %", 100, 100}, {"back: reads 0 %", 100, 0},
		{"again: reads 100 %", 100, 100},
	} {
		err := s.step(ctx, f.name, func() error { n.writes.Store(f.writes); n.reads.Store(f.reads); return nil })
		if err != nil {
			return err
		}
	}
	return nil
}
