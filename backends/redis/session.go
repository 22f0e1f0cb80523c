package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// Get does not ask for the deadline, which would cost a second command.
func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	if err := s.enterSession(ctx, k); err != nil {
		return backends.Session{}, false, err
	}
	if s.opts.KeepFlags {
		return s.getWithFlags(ctx, k)
	}
	data, found, err := s.get(ctx, k.Name)
	if !found {
		return backends.Session{Key: k}, false, err
	}
	return backends.Session{Key: k, Data: data, DeadlineUnknown: true}, true, nil
}

// get reads a string.
func (s *Store) get(ctx context.Context, name string) (data []byte, found bool, err error) {
	err = s.view(ctx, "get", name, func(c goredis.Cmdable) (err error) {
		data, err = c.Get(ctx, name).Bytes()
		if found = err == nil; errors.Is(err, goredis.Nil) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if found && data == nil {
		data = []byte{}
	}
	return data, found, nil
}

// Set writes a session in one round trip.
func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	if err := s.enterData(ctx, sess); err != nil {
		return err
	}
	if s.opts.KeepFlags {
		_, err := s.write(ctx, "set", scriptSet, []string{sess.Key.Name, s.flagsKey(sess.Key)}, sess)
		return err
	}
	return s.changeOn(ctx, "set", sess.Key.Name, func(n *node, conn *goredis.Conn) error {
		bg := context.Background()
		end := n.end(sess.Deadline)
		if end == endPast {
			return conn.Process(bg, goredis.NewIntCmd(bg, "del", sess.Key.Name))
		}
		return conn.Process(bg, goredis.NewStatusCmd(bg, n.setArgs(sess.Key.Name, sess.Data, end)...))
	})
}

// Delete removes a session in one round trip.
func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	if err := s.enterSession(ctx, k); err != nil {
		return false, err
	}
	if s.opts.KeepFlags {
		n, err := s.script(ctx, "delete", scriptTouch, []string{k.Name, s.flagsKey(k)}, endPast)
		return n > 0, err
	}
	return s.count(ctx, "delete", k.Name, "del", k.Name)
}

// Touch moves a deadline in one round trip.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	if err := s.enterSession(ctx, k); err != nil {
		return false, err
	}
	if s.opts.KeepFlags {
		n, err := s.scriptOn(ctx, "touch", scriptTouch, []string{k.Name, s.flagsKey(k)}, func(n *node) []any { return []any{n.end(deadline)} })
		return n > 0, err
	}
	switch {
	case past(deadline):
		return s.count(ctx, "touch", k.Name, "del", k.Name)
	case deadline.IsZero():
		return s.persist(ctx, k)
	}
	return s.countOn(ctx, "touch", k.Name, func(n *node) []any { return []any{"pexpireat", k.Name, n.end(deadline)} })
}

// count runs a command that answers how many keys it has changed.
func (s *Store) count(ctx context.Context, op, name string, args ...any) (bool, error) {
	return s.countOn(ctx, op, name, func(*node) []any { return args })
}

func (s *Store) countOn(ctx context.Context, op, name string, args func(*node) []any) (bool, error) {
	var cmd *goredis.IntCmd // of the last try
	err := s.changeOn(ctx, op, name, func(n *node, conn *goredis.Conn) error {
		c := goredis.NewIntCmd(context.Background(), args(n)...)
		cmd = c
		return conn.Process(context.Background(), c)
	})
	if err != nil {
		return false, err // where the caller left, cmd is still being written
	}
	return cmd.Val() > 0, nil
}

// persist takes a deadline away. PERSIST also answers 0 where there was none,
// so EXISTS says whether there is a session.
func (s *Store) persist(ctx context.Context, k backends.Key) (bool, error) {
	var exists *goredis.IntCmd
	err := s.change(ctx, "touch", k.Name, func(conn *goredis.Conn) error {
		pipe := conn.TxPipeline()
		pipe.Persist(context.Background(), k.Name)
		e := pipe.Exists(context.Background(), k.Name)
		if err := exec(context.Background(), pipe); err != nil {
			return err
		}
		exists = e
		return e.Err()
	})
	if err != nil {
		return false, err
	}
	return exists.Val() > 0, nil
}
