package redis

import (
	"bytes"
	"context"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// Add is SET NX, and clears the tombstone in the same step.
func (s *Store) Add(ctx context.Context, sess backends.Session) (bool, error) {
	if err := s.enterData(ctx, sess); err != nil {
		return false, err
	}
	if past(sess.Deadline) {
		return s.absent(ctx, sess.Key)
	}
	n, err := s.write(ctx, "add", scriptAdd, s.kin(sess.Key), sess)
	return n > 0, err
}

// absent is the answer to an add that stores nothing.
func (s *Store) absent(ctx context.Context, k backends.Key) (bool, error) {
	c, err := s.send(ctx, "add", k.Name, false, func(_ *node, c *call) { c.cmd(2, "exists").str(k.Name) })
	if err != nil {
		return false, err
	}
	defer c.Free()
	n, err := c.answer(0).num()
	return err == nil && n == 0, s.plain("add", err)
}

// AddUndo is Add, and keeps its connection with a WATCH until Release.
//
// The watch cannot begin before the add, whose own write it would meet. It
// follows in the same packet, with a look at what stands there: in between,
// only a write of the very same bytes would go unnoticed.
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
	var u *undo
	err := s.at(ctx, sess.Key.Name, func(n *node, ask bool) (err error) {
		u, err = n.addUndo(ctx, sess, ask)
		return err
	})
	if err != nil || u == nil {
		return false, nil, err
	}
	return true, u, nil
}

// addUndo gives nil where there is a session.
func (n *node) addUndo(ctx context.Context, sess backends.Session, ask bool) (*undo, error) {
	if ask {
		// ASKING does not reach past the first command: wait until the slot is there.
		return nil, &ReplyError{Op: "add", Code: "TRYAGAIN"}
	}
	sess.Data = bytes.Clone(sess.Data) // the line may be sending it when the caller has left
	l, err := n.undos.take(ctx)
	if err != nil {
		return nil, err
	}
	var stored, same bool
	usable, err := l.do(ctx, "add", false, func(conn *goredis.Conn) (err error) {
		stored, same, err = n.addAndWatch(conn, sess, false)
		if goredis.HasErrorPrefix(err, "NOSCRIPT") { // it was not run: see script.run
			stored, same, err = n.addAndWatch(conn, sess, true)
		}
		return err
	})
	err = n.store.reply("add", err)
	switch {
	case !usable:
		return nil, err
	case err != nil || !stored:
		n.undos.put(l)
		return nil, err
	}
	return &undo{pool: n.undos, line: l, key: sess.Key, modified: !same}, nil
}

// addAndWatch adds, and tells whether what stands there afterwards is the same.
func (n *node) addAndWatch(conn *goredis.Conn, sess backends.Session, inFull bool) (stored, same bool, err error) {
	ctx := context.Background()
	s := n.store
	keys, args := s.kin(sess.Key), n.sessionArgs(nil, sess, n.end(sess.Deadline))
	pipe := conn.Pipeline()
	pipe.Do(ctx, "unwatch") // of whoever had the line before
	var add *goredis.Cmd
	if inFull {
		add = pipe.Eval(ctx, scriptAdd.text, keys, args...)
	} else {
		add = pipe.EvalSha(ctx, scriptAdd.sha, keys, args...)
	}
	if s.opts.KeepFlags {
		pipe.Do(ctx, "watch", sess.Key.Name, keys[2])
	} else {
		pipe.Do(ctx, "watch", sess.Key.Name)
	}
	get := pipe.Get(ctx, sess.Key.Name)
	if err := exec(ctx, pipe); err != nil {
		return false, false, err
	}
	did, err := add.Int64()
	if err != nil {
		return false, false, err
	}
	data, err := get.Bytes()
	return did > 0, err == nil && bytes.Equal(data, sess.Data), nil
}

// undo is used by one goroutine.
type undo struct {
	pool     *pool
	line     *line // nil once given back
	key      backends.Key
	modified bool
	nothing  bool // what was added is past its deadline
}

func (u *undo) Undo(ctx context.Context) error {
	if u.nothing {
		return nil
	}
	s := u.pool.node.store
	if err := s.enter(ctx); err != nil {
		return err
	}
	if u.modified || u.line == nil {
		return backends.ErrConflict
	}
	l := u.line
	usable, err := l.do(ctx, "undo", false, func(conn *goredis.Conn) error {
		pipe := conn.TxPipeline()
		names := []string{u.key.Name}
		if s.opts.KeepFlags {
			names = append(names, s.flagsKey(u.key))
		}
		del := pipe.Del(context.Background(), names...)
		if err := exec(context.Background(), pipe); err != nil {
			return err
		}
		return del.Err()
	})
	u.line = nil
	if usable {
		u.pool.put(l)
	}
	return s.reply("undo", elsewhere(err))
}

func (u *undo) Release() {
	if u.line != nil {
		u.pool.put(u.line) // the next one begins with UNWATCH
		u.line = nil
	}
}
