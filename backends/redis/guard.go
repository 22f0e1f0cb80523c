package redis

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// guard holds a line with a WATCH on each session and its tombstone: whatever
// modifies one of them (with KeepFlags the flags too), also with the same bytes, also by expiry, makes EXEC
// do nothing. A key need not exist to be watched, so nothing is claimed, and a
// tombstone that did not stand then need not be looked for again.
type guard struct {
	pool     *pool // nil where no key is guarded
	line     *line // nil once used or given back
	recs     []backends.Record
	grave    bool // a tombstone stood when the guard was made
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
	if err := s.enterSession(ctx, ks...); err != nil {
		return nil, err
	}
	if len(ks) == 0 {
		return &guard{}, nil
	}
	if err := s.oneSlot(ks); err != nil {
		return nil, err
	}
	var g *guard
	err := s.at(ctx, ks[0].Name, func(n *node, ask bool) (err error) {
		if ask {
			// ASKING does not reach past WATCH: wait until the slot is there.
			return &ReplyError{Op: op, Code: "TRYAGAIN"}
		}
		g, err = n.guard(ctx, op, ks, notAfter)
		return err
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// oneSlot refuses, in a cluster, keys of several slots: no server changes them
// all or none, also where it has them all.
func (s *Store) oneSlot(ks []backends.Key) error {
	if _, ok := s.layout.(*cluster); !ok {
		return nil
	}
	for _, k := range ks[1:] {
		if slotOf(k.Name) != slotOf(ks[0].Name) {
			return backends.ErrApart
		}
	}
	return nil
}

func (n *node) guard(ctx context.Context, op string, ks []backends.Key, notAfter time.Time) (*guard, error) {
	l, err := n.guards.take(ctx)
	if err != nil {
		return nil, err
	}
	g := &guard{pool: n.guards, line: l}
	usable, err := l.do(ctx, op, true, func(conn *goredis.Conn) error {
		bg := context.Background()
		sent := time.Now()
		pipe := conn.Pipeline()
		pipe.Do(bg, "unwatch") // of whoever had the line before
		watch := make([]any, 0, 1+3*len(ks))
		watch = append(watch, "watch")
		for _, k := range ks {
			for _, name := range n.store.kin(k) {
				watch = append(watch, name)
			}
		}
		watched := pipe.Do(bg, watch...)
		clock := pipe.Time(bg)
		var looks []look
		var all glance
		if len(ks) == 1 {
			looks = n.store.look(pipe, ks)
		} else {
			all = n.store.glance(pipe, ks)
		}
		if err := exec(bg, pipe); err != nil {
			return err
		}
		if err := watched.Err(); err != nil {
			return err
		}
		server, err := n.notedBy(clock, sent)
		if err != nil {
			return err
		}
		// The server judges the end by its own clock. What the answer took to
		// arrive makes the end earlier, never later.
		g.notAfter = server.Add(time.Until(notAfter)).UnixMilli()
		if len(ks) == 1 {
			g.recs, g.grave, err = n.records(looks, server)
		} else {
			g.recs, g.grave, err = all.records(n, conn)
		}
		return err
	})
	if err != nil {
		if usable {
			n.guards.put(l)
		}
		return nil, n.store.reply(op, err)
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

// Over runs that script where any tombstone stood.
func (g *guard) Over(ctx context.Context, sess backends.Session) error {
	if !g.grave {
		return g.Swap(ctx, sess)
	}
	return g.swap(ctx, "guarded revive", scriptGuardRevive, []backends.Session{sess})
}

func (g *guard) swap(ctx context.Context, op string, sc *script, ss []backends.Session) error {
	if g.pool == nil {
		return backends.ErrConflict // it guards nothing
	}
	st := g.pool.node.store
	var keys []string
	args := []any{g.notAfter}
	if sc == scriptSwap {
		args = append(args, len(st.written(ss[0].Key)))
	}
	for i, sess := range ss {
		if err := st.enterData(ctx, sess); err != nil {
			return err
		}
		if sc == scriptSwap {
			keys = append(keys, st.written(sess.Key)...)
		} else {
			keys = append(keys, st.kin(sess.Key)...)
		}
		args = g.pool.node.sessionArgs(args, sess, g.end(i, sess))
	}
	if sc == scriptSwap && g.grave {
		return backends.ErrConflict
	}
	return g.exec(ctx, op, sc, keys, args)
}

// end keeps the deadline of who writes the one that the guard has read. WATCH
// says that it is there still.
func (g *guard) end(i int, sess backends.Session) int64 {
	if i < len(g.recs) {
		if r := &g.recs[i]; r.Found && r.Key.Name == sess.Key.Name && r.Deadline.Equal(sess.Deadline) && !past(sess.Deadline) {
			return endKept
		}
	}
	return g.pool.node.end(sess.Deadline)
}

func (g *guard) Bury(ctx context.Context, ttl time.Duration) error {
	st := g.pool.node.store
	if err := st.enter(ctx); err != nil {
		return err
	}
	return g.exec(ctx, "guarded bury", scriptGuardBury, st.kin(g.recs[0].Key), []any{g.notAfter, ttlMillis(ttl)})
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
		g.pool.put(l)
	}
	if err != nil {
		return g.pool.node.store.reply(op, elsewhere(err))
	}
	if refused {
		return backends.ErrConflict
	}
	return nil
}

// elsewhere makes a conflict of a key that has gone to another server of its
// cluster since it was looked at: nothing was changed, and a new look finds it.
func elsewhere(err error) error {
	for _, code := range []string{"MOVED", "ASK", "TRYAGAIN"} {
		if goredis.HasErrorPrefix(err, code) {
			return backends.ErrConflict
		}
	}
	return err
}

// Release costs nothing: the next guard on the line begins with UNWATCH.
func (g *guard) Release() {
	if g.line != nil {
		g.pool.put(g.line)
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
