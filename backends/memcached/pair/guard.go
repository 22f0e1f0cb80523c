package pair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

// guard holds a token of each member. The other's is taken first and used last: a
// client's write comes to it after the leader has it, so one that the leader's
// token does not notice is noticed by the other's, and a copy never stands there
// over a newer write.
type guard struct {
	s           *Store
	v           *view
	key         backends.Key
	lead, other backends.Guard // other: nil where there is none
	used        bool
}

// Guard guards both members. Where nothing stands it is looked whether that is
// because the leader was started anew.
func (s *Store) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	for {
		v, err := s.current(ctx)
		if err != nil {
			return nil, err
		}
		g := &guard{s: s, v: v, key: k}
		if o := v.other; o != nil && !s.o.Replicates {
			took, err := s.follow(ctx, o, k, func(ctx context.Context, m *memcached.Store) (err error) {
				g.other, err = m.Guard(ctx, k, notAfter)
				return err
			})
			if err != nil {
				return nil, err
			}
			if !took {
				continue
			}
		}
		if g.lead, err = v.lead().store.Guard(ctx, k, notAfter); err != nil {
			again := s.moveOn(ctx, v.lead(), k, err)
			g.Release()
			if again {
				continue
			}
			return nil, err
		}
		if g.lead.Record().Found {
			return g, nil
		}
		stood, err := s.stood(ctx, v)
		if err == nil && stood {
			return g, nil
		}
		g.Release()
		if err != nil {
			return nil, err
		}
	}
}

func (g *guard) Record() backends.Record { return g.lead.Record() }

func (g *guard) Swap(ctx context.Context, sess backends.Session) error {
	return g.change(ctx, func(ctx context.Context, one backends.Guard) error { return one.Swap(ctx, sess) })
}

func (g *guard) Revive(ctx context.Context, sess backends.Session) error {
	return g.change(ctx, func(ctx context.Context, one backends.Guard) error { return one.Revive(ctx, sess) })
}

func (g *guard) Over(ctx context.Context, sess backends.Session) error {
	return g.change(ctx, func(ctx context.Context, one backends.Guard) error { return one.Over(ctx, sess) })
}

func (g *guard) Bury(ctx context.Context, ttl time.Duration) error {
	return g.change(ctx, func(ctx context.Context, one backends.Guard) error { return one.Bury(ctx, ttl) })
}

func (g *guard) change(ctx context.Context, do func(context.Context, backends.Guard) error) error {
	if g.used {
		return backends.ErrConflict
	}
	g.used = true
	v, err := g.s.current(ctx)
	switch {
	case err != nil:
		return err
	case v.lead() != g.v.lead():
		return backends.ErrConflict // by a token of one that decides no more
	}
	if err := do(ctx, g.lead); err != nil {
		if errors.Is(err, backends.ErrConflict) {
			return err
		}
		g.s.moveOn(ctx, v.lead(), g.key, err)
		return err
	}
	// One that has begun to be filled since, or has another token, is brought to
	// what the leader has now.
	same := v.other != nil && (g.other == nil || v.other != g.v.other)
	err = g.s.carry(ctx, v, g.key, func(ctx context.Context, _ *memcached.Store) error {
		if !same {
			err := do(ctx, g.other)
			if !errors.Is(err, backends.ErrConflict) {
				return err
			}
			same = true
		}
		return g.s.same(ctx, v, g.s.touched(g.key)...)
	})
	if err != nil {
		return fmt.Errorf("pair: guarded change: %w", err)
	}
	return nil
}

func (g *guard) Release() {
	for _, one := range []backends.Guard{g.lead, g.other} {
		if one != nil {
			one.Release()
		}
	}
}
