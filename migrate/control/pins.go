package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
)

// pinned reads the arguments of pin and unpin.
func (a *verbArgs) pinned(verb string) (h flags.Hash, to position.Position, err error) {
	if h, err = flags.ParseHash(a.Hash); err != nil {
		return h, to, errors.New("control: hash: accepted is a session's keyed hash, 32 of 0-9 and a-f")
	}
	if verb == "pin" {
		if to, err = position.Parse(a.Position); err != nil {
			return h, to, fmt.Errorf("control: %w", err)
		}
	}
	return h, to, nil
}

// Pin: see migrate.Migration.
func (c *Client) Pin(ctx context.Context, h flags.Hash, to position.Position, progress func(migrate.Progress)) (r migrate.Result, err error) {
	err = c.do(ctx, "pin", verbArgs{Hash: h.String(), Position: to.String()}, progress, &r)
	return r, err
}

// Unpin: see migrate.Migration.
func (c *Client) Unpin(ctx context.Context, h flags.Hash, progress func(migrate.Progress)) (r migrate.Result, err error) {
	err = c.do(ctx, "unpin", verbArgs{Hash: h.String()}, progress, &r)
	return r, err
}

// PlanPin: see migrate.Migration.
func (c *Client) PlanPin(ctx context.Context, h flags.Hash, to position.Position) (migrate.Plan, error) {
	return c.plan(ctx, "pin", verbArgs{Hash: h.String(), Position: to.String()})
}

// PlanUnpin: see migrate.Migration.
func (c *Client) PlanUnpin(ctx context.Context, h flags.Hash) (migrate.Plan, error) {
	return c.plan(ctx, "unpin", verbArgs{Hash: h.String()})
}
