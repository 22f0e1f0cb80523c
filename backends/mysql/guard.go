package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// guard holds a line with an open transaction: a snapshot, or, where the server
// cannot refuse what has changed since, locks.
type guard struct {
	store    *Store
	recs     []backends.Record
	buried   bool  // a tombstone stood when the guard was made
	notAfter int64 // ms of the server's clock

	mu    sync.Mutex
	line  *line       // guarded by mu; nil once used or given back
	timer *time.Timer // guarded by mu; nil without locks
}

// Guard costs two round trips; so does its Release. Swap, Revive and Bury cost
// three.
func (s *Store) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	g, err := s.guard(ctx, "guard", []backends.Key{k}, notAfter)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// GuardMany guards all keys in one transaction.
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
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, notAfter)
		defer cancel()
	}
	made := make(chan *guard, attempts)
	err := s.holding(ctx, forGuards, op, func(l *line, c *conn) error {
		g := &guard{store: s, line: l}
		// What a guard before this one may have left is ended first.
		if _, err := c.exec("ROLLBACK; START TRANSACTION"); err != nil {
			return err
		}
		if err := g.look(c, ks, notAfter); err != nil {
			return c.rollback(err)
		}
		made <- g
		return nil
	})
	if err != nil {
		return nil, s.conflict(op, err)
	}
	g := <-made
	if l := g.line; !l.conn.server.guards {
		g.mu.Lock()
		g.timer = time.AfterFunc(s.opts.GuardHold, g.Release)
		g.mu.Unlock()
	}
	return g, nil
}

// look reads what stands for the keys, and the clock.
func (g *guard) look(c *conn, ks []backends.Key, notAfter time.Time) error {
	if !c.server.guards {
		// Rows, and the gaps where there is none: nobody inserts there either.
		if err := c.lock(ks); err != nil {
			return err
		}
		if err := c.query(ignore, "SELECT 1 FROM "+c.own.name+c.own.byIndex()+" WHERE "+ofGone(len(ks))+" FOR UPDATE", g.store.goneArgs(ks)...); err != nil {
			return err
		}
	}
	var err error
	var buried []bool
	if g.recs, buried, err = g.store.records(c, ks); err != nil {
		return err
	}
	g.buried = slices.Contains(buried, true)
	// What the answer takes to arrive makes the end earlier, never later.
	return c.query(func(v []driver.Value) error {
		clock, _ := integer(v[0])
		g.notAfter = clock + time.Until(notAfter).Milliseconds()
		return nil
	}, "SELECT "+nowMs)
}

// lock locks rows and the gaps where there is none. In a snapshot that meets
// what was modified since, it is refused.
func (c *conn) lock(ks []backends.Key) error {
	gs, err := c.groups(ks)
	if err != nil {
		return err
	}
	for _, one := range gs {
		if err := c.query(ignore, "SELECT 1 FROM "+one.t.name+one.t.byIndex()+" WHERE "+one.t.where(len(one.args))+" FOR UPDATE", one.args...); err != nil {
			return err
		}
	}
	return nil
}

func ignore([]driver.Value) error { return nil }

func (g *guard) Record() backends.Record { return g.recs[0] }

func (g *guard) Swap(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, "swap", []backends.Session{sess}, false)
}

// Revive clears the tombstone instead of testing it. One that was renewed or
// cleared since is a modified row.
func (g *guard) Revive(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, "guarded revive", []backends.Session{sess}, g.recs[0].Gone)
}

// Over clears also one that stands beside the session.
func (g *guard) Over(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, "guarded revive", []backends.Session{sess}, g.buried)
}

func (g *guard) swap(ctx context.Context, op string, ss []backends.Session, revive bool) error {
	named := make(map[string]bool, len(ss))
	for _, sess := range ss {
		if err := g.store.enterData(ctx, sess); err != nil {
			return err
		}
		named[sess.Key.Name] = true
	}
	var ks, present []backends.Key
	var absent []backends.Session
	for _, r := range g.recs {
		switch ks = append(ks, r.Key); {
		case named[r.Key.Name]:
		case r.Found:
			present = append(present, r.Key)
		default:
			absent = append(absent, backends.Session{Key: r.Key, Deadline: time.Unix(1, 0)})
		}
	}
	if g.buried && !revive {
		return backends.ErrConflict
	}
	return g.finish(ctx, op, func(c *conn) error {
		if revive {
			if n, err := c.exec(c.dropGone(), []byte(g.store.gone(ss[0].Key))); err != nil || n[0] == 0 {
				return orConflict(err)
			}
		}
		for _, own := range []bool{false, true} {
			var here, over []backends.Session
			// What is guarded and not named must not have been modified either: an
			// absent row is written and taken away, a present one is locked.
			for _, sess := range slices.Concat(ss, absent) {
				if backends.OwnKey(sess.Key.Name) != own {
					continue
				}
				here = append(here, sess)
				if past(sess.Deadline) {
					over = append(over, sess)
				}
			}
			if err := c.put(here); err != nil {
				return err
			}
			if err := c.take(over); err != nil {
				return err
			}
		}
		if err := c.lock(present); err != nil {
			return err
		}
		return g.judge(c, ks)
	})
}

// put writes rows that are as they were in the snapshot, present or not: where
// one was modified since, or is there now, the server refuses (1020, 1062).
func (c *conn) put(ss []backends.Session) error {
	if len(ss) == 0 {
		return nil
	}
	stmt, args, err := c.tableOf(ss[0].Key).upsert(ss)
	if err == nil {
		_, err = c.exec(stmt, args...)
	}
	return err
}

// take removes rows that put has written.
func (c *conn) take(ss []backends.Session) error {
	for _, sess := range ss {
		t := c.tableOf(sess.Key)
		key, err := t.key(sess.Key)
		if err != nil {
			return err
		}
		if _, err := c.exec("DELETE FROM "+t.name+" WHERE "+t.where(1), key); err != nil {
			return err
		}
	}
	return nil
}

// judge refuses where a tombstone has come or it is too late, by the server's
// clock. It writes each tombstone's row and takes it away: a locking read of a
// row that is absent looks at its neighbour, and would take the neighbour's
// change for a conflict; and on Galera another node compares only what both have
// written. It does so after the sessions were written, while Bury deletes after
// it has put its tombstone: whichever is first, the other meets it.
func (g *guard) judge(c *conn, ks []backends.Key) error {
	args := g.store.goneArgs(ks)
	rows := fmt.Sprintf("('%s', ?, '', '', 0, 0)", rowGone)
	insert := "INSERT INTO " + c.own.name + " (`kind`, `name`, `member`, `data`, `flags`, `expires_ms`) VALUES " + rows +
		strings.Repeat(", "+rows, len(ks)-1) + " ON DUPLICATE KEY UPDATE `expires_ms` = 0"
	if _, err := c.exec(insert, args...); err != nil {
		return err
	}
	// A join, so that each row is found by its key: for a long list of names the
	// server would read all rows, and meet changes of others.
	names := "SELECT ? AS `n`" + strings.Repeat(" UNION ALL SELECT ?", len(ks)-1)
	if _, err := c.exec("DELETE `o` FROM ("+names+") `k` STRAIGHT_JOIN "+c.own.name+" `o`"+c.own.byIndex()+
		" ON `o`.`kind` = '"+rowGone+"' AND `o`.`name` = `k`.`n` AND `o`.`member` = ''", args...); err != nil {
		return err
	}
	return g.inTime(c)
}

// inTime refuses after notAfter.
func (g *guard) inTime(c *conn) error {
	return c.query(func(v []driver.Value) error {
		if clock, ok := integer(v[0]); !ok || clock > g.notAfter {
			return verdict{backends.ErrConflict}
		}
		return nil
	}, "SELECT "+nowMs)
}

func (g *guard) Bury(ctx context.Context, ttl time.Duration) error {
	k := g.recs[0].Key
	if err := g.store.enterChange(ctx, k); err != nil {
		return err
	}
	return g.finish(ctx, "guarded bury", func(c *conn) error {
		// The row is written first, so that its absence is guarded too.
		row := []backends.Session{{Key: k, Deadline: time.Unix(1, 0)}}
		if err := c.put(row); err != nil {
			return err
		}
		if err := c.take(row); err != nil {
			return err
		}
		if _, err := c.exec(c.putGone(ttl), []byte(g.store.gone(k))); err != nil {
			return err
		}
		return g.inTime(c)
	})
}

func orConflict(err error) error {
	if err == nil {
		err = verdict{backends.ErrConflict}
	}
	return err
}

// finish runs the guarded change and commits it, once.
func (g *guard) finish(ctx context.Context, op string, f func(*conn) error) error {
	l := g.taken()
	if l == nil {
		return backends.ErrConflict
	}
	usable, err := l.do(ctx, op, false, func(c *conn) error {
		err := f(c)
		if err == nil {
			_, err = c.exec("COMMIT")
		}
		if err != nil {
			return c.rollback(err)
		}
		return nil
	})
	if usable {
		l.pool.put(l)
	}
	return g.store.conflict(op, err)
}

// taken gives the line to who uses the guard now; nil to all later ones.
func (g *guard) taken() *line {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.line
	g.line = nil
	if g.timer != nil {
		g.timer.Stop()
	}
	return l
}

func (g *guard) Release() {
	if l := g.taken(); l != nil {
		l.giveBack()
	}
}

type manyGuard struct{ *guard }

func (g manyGuard) Records() []backends.Record { return g.recs }

func (g manyGuard) Swap(ctx context.Context, ss []backends.Session) error {
	if len(ss) == 0 {
		return nil
	}
	return g.swap(ctx, "swap", ss, false)
}
