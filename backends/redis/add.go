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
	px := life(sess.Deadline)
	if px == lifePast {
		return s.absent(ctx, sess.Key)
	}
	n, err := s.script(ctx, "add", scriptAdd, []string{sess.Key.Name, s.gone(sess.Key)}, sess.Data, px)
	return n > 0, err
}

// absent is the answer to an add that stores nothing.
func (s *Store) absent(ctx context.Context, k backends.Key) (bool, error) {
	n, err := s.reads.Exists(ctx, k.Name).Result()
	return err == nil && n == 0, s.read(ctx, "add", err)
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
	px := life(sess.Deadline)
	if px == lifePast {
		stored, err := s.absent(ctx, sess.Key)
		if !stored {
			return false, nil, err
		}
		return true, &undo{nothing: true}, nil
	}
	l, err := s.undos.take(ctx)
	if err != nil {
		return false, nil, err
	}
	var stored, same bool
	usable, err := l.do(ctx, "add", false, func(conn *goredis.Conn) (err error) {
		stored, same, err = s.addAndWatch(conn, sess, px, false)
		if goredis.HasErrorPrefix(err, "NOSCRIPT") { // it was not run: see script.run
			stored, same, err = s.addAndWatch(conn, sess, px, true)
		}
		return err
	})
	err = s.reply("add", err)
	switch {
	case !usable:
		return false, nil, err
	case err != nil || !stored:
		s.undos.put(l)
		return false, nil, err
	}
	return true, &undo{store: s, line: l, key: sess.Key, modified: !same}, nil
}

// addAndWatch adds, and tells whether what stands there afterwards is the same.
func (s *Store) addAndWatch(conn *goredis.Conn, sess backends.Session, px int64, inFull bool) (stored, same bool, err error) {
	ctx := context.Background()
	keys := []string{sess.Key.Name, s.gone(sess.Key)}
	pipe := conn.Pipeline()
	pipe.Do(ctx, "unwatch") // of whoever had the line before
	var add *goredis.Cmd
	if inFull {
		add = pipe.Eval(ctx, scriptAdd.text, keys, sess.Data, px)
	} else {
		add = pipe.EvalSha(ctx, scriptAdd.sha, keys, sess.Data, px)
	}
	pipe.Do(ctx, "watch", sess.Key.Name)
	get := pipe.Get(ctx, sess.Key.Name)
	if err := exec(ctx, pipe); err != nil {
		return false, false, err
	}
	n, err := add.Int64()
	if err != nil {
		return false, false, err
	}
	data, err := get.Bytes()
	return n > 0, err == nil && bytes.Equal(data, sess.Data), nil
}

// undo is used by one goroutine.
type undo struct {
	store    *Store
	line     *line // nil once given back
	key      backends.Key
	modified bool
	nothing  bool // what was added is past its deadline
}

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
	usable, err := l.do(ctx, "undo", false, func(conn *goredis.Conn) error {
		pipe := conn.TxPipeline()
		del := pipe.Del(context.Background(), u.key.Name)
		if err := exec(context.Background(), pipe); err != nil {
			return err
		}
		return del.Err()
	})
	u.line = nil
	if usable {
		u.store.undos.put(l)
	}
	return u.store.reply("undo", err)
}

func (u *undo) Release() {
	if u.line != nil {
		u.store.undos.put(u.line) // the next one begins with UNWATCH
		u.line = nil
	}
}
