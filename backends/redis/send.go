package redis

import (
	"context"
	"errors"

	"github.com/seed-41165957/crossfade/backends"
)

// send puts one packet onto a connection of the key's server and gives the
// answered call, which the caller frees; with an error, also one that the server
// has answered, there is none. build adds the commands: once for each server
// that is asked, when its clock is known.
func (s *Store) send(ctx context.Context, op, name string, changes bool, build func(*node, *call)) (*call, error) {
	if s.only != nil {
		return s.only.ask(ctx, op, changes, false, build)
	}
	var c *call
	err := s.at(ctx, name, func(n *node, ask bool) (err error) {
		c, err = n.ask(ctx, op, changes, ask, build)
		return err
	})
	return c, err
}

// ask is send to one server, and each command has to succeed.
func (n *node) ask(ctx context.Context, op string, changes, ask bool, build func(*node, *call)) (*call, error) {
	c, err := n.send(ctx, op, changes, ask, build)
	if err != nil {
		return nil, err
	}
	if err := c.err(); err != nil {
		err = n.store.reply(op, err)
		c.Free()
		if changes {
			err = n.store.doubtful(err)
		}
		return nil, err
	}
	return c, nil
}

func (n *node) send(ctx context.Context, op string, changes, ask bool, build func(*node, *call)) (*call, error) {
	if !n.met.Load() { // deadlines are sent by the server's clock
		if err := n.streams.Ready(ctx, changes); err != nil {
			return nil, n.failed(ctx, op, err)
		}
	}
	c := newCall(changes)
	if ask { // counts for the next command, or for all between MULTI and EXEC (cluster specification, "ASK redirection")
		c.cmd(1, "asking")
		c.skip = 1
	}
	build(n, c)
	if err := n.streams.Do(ctx, c); err != nil {
		return nil, n.failed(ctx, op, err)
	}
	return c, nil
}

// failed makes an error of the connections fit to be shown.
func (n *node) failed(ctx context.Context, op string, err error) error {
	if _, unknown := backends.IsUnknown(err); unknown || errors.Is(err, backends.ErrBusy) {
		return err
	}
	if errors.Is(err, backends.ErrClosed) {
		return n.ended()
	}
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	return n.store.plain(op, err)
}
