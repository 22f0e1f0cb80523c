package redis

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// guard holds a line with a WATCH on each session and its tombstone: whatever
// modifies one of them, also with the same bytes, also by expiry, makes EXEC
// do nothing. A key need not exist to be watched, so nothing is claimed.
type guard struct {
	store    *Store
	line     *line // nil once used or given back
	recs     []backends.Record
	buried   bool // a tombstone stood when the guard was made
	notAfter int64
}

// Guard costs one round trip; so does its Swap, Revive or Bury.
func (s *Store) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	g, err := s.guard(ctx, "guard", []backends.Key{k}, notAfter)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// GuardMany guards all keys on one connection.
func (s *Store) GuardMany(ctx context.Context, ks []backends.Key, notAfter time.Time) (backends.BatchGuard, error) {
	g, err := s.guard(ctx, "guard many", ks, notAfter)
	if err != nil {
		return nil, err
	}
	return manyGuard{g}, nil
}

func (s *Store) guard(ctx context.Context, op string, ks []backends.Key, notAfter time.Time) (*guard, error) {
	if err := s.enter(ctx, ks...); err != nil {
		return nil, err
	}
	if len(ks) == 0 {
		return &guard{store: s}, nil
	}
	l, err := s.guards.take(ctx)
	if err != nil {
		return nil, err
	}
	g := &guard{store: s, line: l}
	usable, err := l.do(ctx, op, true, func(conn *goredis.Conn) error {
		bg := context.Background()
		pipe := conn.Pipeline()
		pipe.Do(bg, "unwatch") // of whoever had the line before
		watch := make([]any, 0, 1+2*len(ks))
		watch = append(watch, "watch")
		for _, k := range ks {
			watch = append(watch, k.Name, s.gone(k))
		}
		watched := pipe.Do(bg, watch...)
		clock := pipe.Time(bg)
		looks := s.look(pipe, ks)
		if err := exec(bg, pipe); err != nil {
			return err
		}
		if err := watched.Err(); err != nil {
			return err
		}
		server, err := clock.Result()
		if err != nil {
			return err
		}
		// The server judges the end by its own clock. What the answer took to
		// arrive makes the end earlier, never later.
		now := time.Now()
		g.notAfter = server.Add(notAfter.Sub(now)).UnixMilli()
		g.recs = make([]backends.Record, len(ks))
		for i := range looks {
			r, buried, err := looks[i].record(now)
			if err != nil {
				return err
			}
			g.recs[i] = r
			g.buried = g.buried || buried
		}
		return nil
	})
	if err != nil {
		if usable {
			s.guards.put(l)
		}
		return nil, s.reply(op, err)
	}
	return g, nil
}

func (g *guard) Record() backends.Record { return g.recs[0] }

func (g *guard) Swap(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, "swap", scriptSwap, []backends.Session{sess})
}

// Revive runs the script that clears the tombstone instead of the one that
// tests it. A delete since has renewed the tombstone, which is watched.
func (g *guard) Revive(ctx context.Context, sess backends.Session) error {
	if !g.recs[0].Gone {
		return g.Swap(ctx, sess)
	}
	return g.swap(ctx, "guarded revive", scriptGuardRevive, []backends.Session{sess})
}

func (g *guard) swap(ctx context.Context, op string, sc *script, ss []backends.Session) error {
	keys := make([]string, 0, 2*len(ss))
	args := make([]any, 1, 1+2*len(ss))
	args[0] = g.notAfter
	for _, sess := range ss {
		if err := g.store.enterData(ctx, sess); err != nil {
			return err
		}
		keys = append(keys, sess.Key.Name, g.store.gone(sess.Key))
		args = append(args, sess.Data, life(sess.Deadline))
	}
	if g.buried && sc == scriptSwap {
		return backends.ErrConflict
	}
	return g.exec(ctx, op, sc, keys, args)
}

func (g *guard) Bury(ctx context.Context, ttl time.Duration) error {
	if err := g.store.enter(ctx); err != nil {
		return err
	}
	k := g.recs[0].Key
	return g.exec(ctx, "guarded bury", scriptGuardBury, []string{k.Name, g.store.gone(k)}, []any{g.notAfter, ttlMillis(ttl)})
}

// exec runs a script between MULTI and EXEC, once. It is sent in full: a
// script that the server has forgotten cannot be sent again after EXEC.
func (g *guard) exec(ctx context.Context, op string, sc *script, keys []string, args []any) error {
	l := g.line
	if l == nil {
		return backends.ErrConflict
	}
	g.line = nil
	var refused bool
	usable, err := l.do(ctx, op, false, func(conn *goredis.Conn) error {
		bg := context.Background()
		pipe := conn.TxPipeline()
		cmd := pipe.Eval(bg, sc.text, keys, args...)
		if err := exec(bg, pipe); err != nil {
			return err
		}
		n, err := cmd.Int64()
		refused = err == nil && n == 0
		return err
	})
	if usable {
		g.store.guards.put(l)
	}
	if err != nil {
		return g.store.reply(op, err)
	}
	if refused {
		return backends.ErrConflict
	}
	return nil
}

// Release costs nothing: the next guard on the line begins with UNWATCH.
func (g *guard) Release() {
	if g.line != nil {
		g.store.guards.put(g.line)
		g.line = nil
	}
}

type manyGuard struct{ *guard }

func (g manyGuard) Records() []backends.Record { return g.recs }

func (g manyGuard) Swap(ctx context.Context, ss []backends.Session) error {
	if len(ss) == 0 {
		return nil
	}
	return g.swap(ctx, "swap", scriptSwap, ss)
}
