package redis

import (
	"context"
	"time"

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
	c, err := s.send(ctx, "get", name, false, func(_ *node, c *call) { c.cmd(2, "get").str(name) })
	if err != nil {
		return nil, false, err
	}
	data, found, err = c.answer(0).str()
	c.Free()
	return data, found, s.plain("get", err)
}

// Set writes a session in one round trip.
func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	if err := s.enterData(ctx, sess); err != nil {
		return err
	}
	if s.opts.KeepFlags {
		return s.setWithFlags(ctx, sess)
	}
	c, err := s.send(ctx, "set", sess.Key.Name, true, func(n *node, c *call) {
		end := n.end(sess.Deadline)
		if end == endPast {
			c.cmd(2, "del").str(sess.Key.Name)
			return
		}
		n.set(c, sess.Key.Name, sess.Data, end)
	})
	if err != nil {
		return err
	}
	c.Free()
	return nil
}

// Delete removes a session in one round trip.
func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	if err := s.enterSession(ctx, k); err != nil {
		return false, err
	}
	if s.opts.KeepFlags {
		n, err := s.script(ctx, "delete", scriptTouch, []string{k.Name, s.flagsKey(k)}, 1, func(_ *node, c *call) { c.num(endPast) })
		return n > 0, err
	}
	return s.del(ctx, "delete", k.Name)
}

// Touch moves a deadline in one round trip.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	if err := s.enterSession(ctx, k); err != nil {
		return false, err
	}
	if s.opts.KeepFlags {
		n, err := s.script(ctx, "touch", scriptTouch, []string{k.Name, s.flagsKey(k)}, 1, func(n *node, c *call) { c.num(n.end(deadline)) })
		return n > 0, err
	}
	switch {
	case past(deadline):
		return s.del(ctx, "touch", k.Name)
	case deadline.IsZero():
		return s.persist(ctx, k)
	}
	return s.count(ctx, "touch", k.Name, func(n *node, c *call) { c.cmd(3, "pexpireat").str(k.Name).num(n.end(deadline)) })
}

// count sends a command that answers how many keys it has changed.
func (s *Store) count(ctx context.Context, op, name string, build func(*node, *call)) (bool, error) {
	c, err := s.send(ctx, op, name, true, build)
	if err != nil {
		return false, err
	}
	n, err := c.answer(0).num()
	c.Free()
	return n > 0, s.plain(op, err)
}

// del deletes.
func (s *Store) del(ctx context.Context, op, name string) (bool, error) {
	return s.count(ctx, op, name, func(_ *node, c *call) { c.cmd(2, "del").str(name) })
}

// persist takes a deadline away. PERSIST also answers 0 where there was none,
// so EXISTS says whether there is a session.
func (s *Store) persist(ctx context.Context, k backends.Key) (bool, error) {
	c, err := s.send(ctx, "touch", k.Name, true, func(_ *node, c *call) {
		c.cmd(1, "multi").cmd(2, "persist").str(k.Name).cmd(2, "exists").str(k.Name).cmd(1, "exec")
	})
	if err != nil {
		return false, err
	}
	defer c.Free()
	did, err := c.answer(3).items(2)
	if err != nil {
		return false, s.plain("touch", err)
	}
	n, err := did[1].num()
	return n > 0, s.plain("touch", err)
}
