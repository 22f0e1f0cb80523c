package mysql

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	sqldriver "github.com/go-sql-driver/mysql"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/clock"
)

// host is one of the addresses, with its connections.
type host struct {
	store  *Store
	index  int
	config *sqldriver.Config
	pools  [poolKinds]*pool
	id     atomic.Pointer[idColumn] // nil until it was found fit
	clock  clock.Clock              // the server's: deadlines are written and read by it
}

// idColumn is what is known of the id column.
type idColumn struct {
	text   bool
	max    int
	unique string // its index, quoted
}

func newHost(s *Store, index int, network, addr string, tc *tls.Config) (*host, error) {
	h := &host{store: s, index: index, config: s.config(network, addr, tc)}
	for kind, size := range [poolKinds]int{s.opts.ReadConns, s.opts.ChangeConns, s.opts.GuardConns, s.opts.UndoConns, 1} {
		h.pools[kind] = newPool(h, poolKind(kind), size)
	}
	return h, nil
}

// columns looks once at the id column: where it folds case or accents, two
// sessions would be one, and a write would overwrite the other's.
func (h *host) columns(c *conn) error {
	known := h.id.Load()
	if known == nil {
		found, err := c.idColumn(h.store.opts)
		if err != nil {
			return err
		}
		if known = found; known != nil {
			h.id.Store(known)
		}
	}
	if known != nil { // else the table is missing, and each statement says so
		c.app.text, c.app.maxID, c.app.unique = known.text, known.max, known.unique
	}
	return nil
}

// ColumnError is returned by every call while the id column cannot tell
// sessions apart: it compares text without regard to case, accents or width, or
// is not unique. Nothing was changed.
type ColumnError struct {
	Found string
	Mend  string // the statement that mends it
}

func (e *ColumnError) Error() string {
	return "backends/mysql: the id column " + e.Found + ": " + e.Mend
}

func (c *conn) idColumn(o Options) (*idColumn, error) {
	var found *idColumn
	var wrong error
	err := c.query(func(v []driver.Value) error {
		length, _ := integer(v[1])
		found = &idColumn{max: int(length), text: v[0] != nil}
		column := q(o.Database) + "." + q(o.Table)
		// A _bin collation compares code points. It may drop trailing spaces,
		// which no key has.
		if collation := text(v[0]); found.text && !strings.HasSuffix(collation, "_bin") {
			wrong = &ColumnError{"has the collation " + collation + ", to which abc and ABC are one session",
				fmt.Sprintf("ALTER TABLE %s MODIFY %s VARBINARY(%d) NOT NULL;", column, q(o.Columns.ID), min(length, 250))}
		} else if v[2] == nil {
			wrong = &ColumnError{"is not unique", fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (%s);", column, q(o.Columns.ID))}
		}
		found.unique = q(text(v[2]))
		return nil
	}, "SELECT COLLATION_NAME, CHARACTER_MAXIMUM_LENGTH, (SELECT MIN(INDEX_NAME) FROM information_schema.STATISTICS s"+
		" WHERE s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME GROUP BY INDEX_NAME, NON_UNIQUE"+
		" HAVING NON_UNIQUE = 0 AND COUNT(*) = 1 AND MIN(s.COLUMN_NAME) = c.COLUMN_NAME LIMIT 1)"+
		" FROM information_schema.COLUMNS c WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND COLUMN_NAME = ?",
		o.Database, o.Table, o.Columns.ID)
	return found, errors.Join(err, wrong)
}

// take gives a line of the host in use, or of the next that can be reached.
func (s *Store) take(ctx context.Context, kind poolKind) (*line, error) {
	if s.active.Load() != 0 {
		s.look() // the preferred one may be back
	}
	var last error
	for range s.hosts {
		h := s.hosts[s.active.Load()]
		l, err := h.pools[kind].take(ctx)
		if err == nil {
			return l, nil
		}
		if !elsewhere(err) {
			s.suspect()
			return nil, err
		}
		last = err
		s.fail(h)
	}
	return nil, last
}

// fail leaves a host that cannot serve for the next one.
func (s *Store) fail(h *host) {
	next := (h.index + 1) % len(s.hosts)
	if next != h.index && s.active.CompareAndSwap(int32(h.index), int32(next)) {
		h.drain()
	}
}

func (h *host) drain() {
	for _, p := range h.pools {
		p.drain()
	}
}

// suspect is called when the host in use is silent.
func (s *Store) suspect() { s.look() }

// look finds, in the background, the first host that can serve. It does so at
// most once in Options.Probe.
func (s *Store) look() {
	now := time.Now().UnixNano()
	if len(s.hosts) < 2 || now-s.lastLook.Load() < int64(s.opts.Probe) || s.looking.Swap(true) {
		return
	}
	s.lastLook.Store(now)
	s.background(func() {
		defer s.looking.Store(false)
		for i, h := range s.hosts {
			ctx, cancel := context.WithTimeout(s.ctx, 4*s.opts.DialTimeout)
			err := h.ping(ctx)
			cancel()
			if err != nil {
				continue
			}
			if was := s.active.Swap(int32(i)); int(was) != i {
				s.hosts[was].drain()
			}
			return
		}
	})
}

// ping makes a connection: an idle one would say nothing about the node.
func (h *host) ping(ctx context.Context) error {
	p := h.pools[forControl]
	select {
	case p.tokens <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	l, err := p.openLine(ctx)
	if err != nil {
		p.release()
		return err
	}
	// A frozen disk greets too; a statement that waits for the cluster does not.
	usable, err := l.do(ctx, "probe", true, func(c *conn) error {
		return c.query(func([]driver.Value) error { return nil }, "SELECT 1 FROM "+c.own.name+" LIMIT 1")
	})
	if usable {
		p.drop(l)
	}
	if isReply(err) && !elsewhere(err) {
		return nil
	}
	return err
}

const (
	// attempts bounds how often a call is begun again that surely changed
	// nothing.
	attempts = 8
	// conflicts bounds the same after deadlocks and certification conflicts: many
	// writers of one row through several nodes lose to each other many times.
	conflicts = 60
)

// run takes a line, runs f on it and gives it back. What surely changed nothing
// is done again: on another host where this one cannot serve, here after a
// deadlock. With harmless set, f changes nothing, and is done again after a lost
// connection too.
func (s *Store) run(ctx context.Context, kind poolKind, op string, harmless bool, f func(*conn) error) error {
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, kind, op, harmless, f)
		var lost *lostError
		again := false
		switch {
		case err == nil || ctx.Err() != nil || s.isClosed():
		case number(err) == errDeadlock:
			again = attempt < conflicts
		case elsewhere(err) && len(s.hosts) > 1, harmless && errors.As(err, &lost):
			again = attempt < attempts
		case harmless && number(err) == errLockWait:
			// Reads wait for no row: the node waits in vain for its cluster.
			s.suspect()
			again = attempt < attempts && len(s.hosts) > 1
		}
		if !again {
			return s.final(op, err)
		}
		select {
		case <-time.After(pause(attempt)):
		case <-ctx.Done():
			return s.final(op, err)
		}
	}
}

func (s *Store) final(op string, err error) error {
	if _, unknown := backends.IsUnknown(err); unknown || err == nil {
		return err
	}
	return s.reply(op, err)
}

func (s *Store) once(ctx context.Context, kind poolKind, op string, harmless bool, f func(*conn) error) error {
	l, err := s.take(ctx, kind)
	if err != nil {
		return err
	}
	usable, err := l.do(ctx, op, harmless, f)
	if usable {
		l.pool.put(l)
	}
	if elsewhere(err) {
		s.fail(l.pool.host)
	}
	return err
}
