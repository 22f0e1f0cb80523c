package mysql

import (
	"context"
	"database/sql/driver"

	"github.com/seed-41165957/crossfade/backends"
)

// Add takes an expired row away, inserts, and clears the tombstone, in one
// transaction and one round trip.
func (s *Store) Add(ctx context.Context, sess backends.Session) (bool, error) {
	if err := s.enterData(ctx, sess); err != nil {
		return false, err
	}
	if past(sess.Deadline) {
		return s.absent(ctx, sess.Key)
	}
	_, err := s.change(ctx, "add", false, func(c *conn) (string, []any, error) { return s.add(c, sess) })
	return stored(err)
}

func stored(err error) (bool, error) {
	if number(err) == errDuplicate {
		return false, nil
	}
	return err == nil, err
}

func (s *Store) add(c *conn, sess backends.Session) (string, []any, error) {
	t := c.tableOf(sess.Key)
	key, err := t.key(sess.Key)
	if err != nil {
		return "", nil, err
	}
	insert, args, err := t.insert([]backends.Session{sess})
	args = append(append([]any{key}, args...), []byte(s.gone(sess.Key)))
	return "DELETE FROM " + t.name + " WHERE " + t.where(1) + " AND NOT " + t.expiry.live() + "; " + insert + "; " + c.dropGone(), args, err
}

// absent is the answer to an add that stores nothing.
func (s *Store) absent(ctx context.Context, k backends.Key) (bool, error) {
	_, found, err := s.Get(ctx, k)
	return err == nil && !found, err
}

// AddUndo is Add, and keeps its connection with a snapshot until Release: what
// modifies the row from then on makes the server refuse the undo.
//
// The snapshot cannot begin before the add, whose own row it would not see. It
// follows at once, with a look whether the row is still what was inserted, to
// the deadline's last unit, which every write of the same bytes moves.
func (s *Store) AddUndo(ctx context.Context, sess backends.Session) (bool, backends.Undo, error) {
	if err := s.enterData(ctx, sess); err != nil {
		return false, nil, err
	}
	if past(sess.Deadline) {
		stored, err := s.absent(ctx, sess.Key)
		if !stored {
			return false, nil, err
		}
		return true, &undo{nothing: true}, nil
	}
	for attempt := 1; ; attempt++ {
		u, err := s.addUndo(ctx, sess)
		if retry := number(err) == errDeadlock || elsewhere(err) && len(s.hosts) > 1; retry && attempt < attempts && ctx.Err() == nil {
			continue
		}
		if ok, err := stored(err); !ok {
			return false, nil, s.final("add", err)
		}
		return true, u, nil
	}
}

func (s *Store) addUndo(ctx context.Context, sess backends.Session) (*undo, error) {
	l, err := s.take(ctx, forUndos)
	if err != nil {
		return nil, err
	}
	u := &undo{store: s, line: l, sess: sess}
	usable, err := l.do(ctx, "add", false, func(c *conn) error {
		stmt, args, err := s.add(c, sess)
		if err != nil {
			return err
		}
		// Not the line's own level, whose locks on gaps would stop other adds.
		if _, err := c.statements("ROLLBACK; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION; "+stmt, args...); err != nil {
			return c.rollback(err)
		}
		inserted, err := c.image(sess.Key)
		if err != nil {
			return c.rollback(err)
		}
		if _, err := c.exec("COMMIT"); err != nil {
			return err
		}
		// From here on the add counts: no error may say that nothing changed.
		now := ""
		if _, err = c.exec("START TRANSACTION"); err == nil {
			now, err = c.image(sess.Key)
		}
		u.image, u.modified = inserted, err != nil || now != inserted
		u.byImage = !c.server.guards
		if err != nil && !isReply(err) {
			u.dead = true
			return nil
		}
		if u.byImage {
			_, err = c.exec("ROLLBACK")
			u.dead = err != nil
		}
		return nil
	})
	if err != nil {
		if usable {
			l.pool.put(l)
		}
		return nil, err
	}
	if u.dead {
		l.pool.drop(l)
		u.line = nil
	}
	return u, nil
}

// image is what stands in a row beside its data.
func (c *conn) image(k backends.Key) (string, error) {
	t := c.tableOf(k)
	key, err := t.key(k)
	if err != nil {
		return "", err
	}
	image := ""
	err = c.query(func(v []driver.Value) error {
		image = text(v[0])
		return nil
	}, "SELECT "+t.image()+" FROM "+t.name+" WHERE "+t.where(1), key)
	return image, err
}

// image is the columns that a write moves, and a hash of the data.
func (t table) image() string {
	cols := t.expiry.col
	if t.expiry.time != "" {
		cols += ", " + t.expiry.time
	}
	return "CONCAT_WS('/', " + cols + ", SHA2(" + t.data + ", 256))"
}

// undo is used by one goroutine.
type undo struct {
	store    *Store
	line     *line // nil once given back
	sess     backends.Session
	image    string
	modified bool
	nothing  bool // what was added is past its deadline
	byImage  bool // the server has no snapshots: compare
	dead     bool // the line was lost after the add
}

// Undo costs two round trips.
func (u *undo) Undo(ctx context.Context) error {
	if u.nothing {
		return nil
	}
	if err := u.store.enter(ctx); err != nil {
		return err
	}
	if u.modified || u.line == nil {
		return backends.ErrConflict
	}
	l := u.line
	u.line = nil
	usable, err := l.do(ctx, "undo", false, func(c *conn) error {
		t := c.tableOf(u.sess.Key)
		key, err := t.key(u.sess.Key)
		if err != nil {
			return err
		}
		n, err := c.exec("DELETE FROM "+t.name+" WHERE "+t.where(1)+" AND "+t.image()+" = ?", key, u.image)
		if err == nil && n[0] == 0 {
			err = verdict{backends.ErrConflict}
		}
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
	return u.store.conflict("undo", err)
}

func (u *undo) Release() {
	if l := u.line; l != nil {
		u.line = nil
		l.giveBack()
	}
}

// conflict is the error of a guarded change.
func (s *Store) conflict(op string, err error) error {
	switch number(err) {
	case errChanged, errDuplicate, errDeadlock, errLockWait:
		if _, unknown := backends.IsUnknown(err); !unknown {
			return backends.ErrConflict
		}
	}
	return s.final(op, err)
}
