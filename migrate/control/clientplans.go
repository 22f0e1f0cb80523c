package control

import (
	"context"

	"github.com/seed-41165957/crossfade/migrate"
)

// PlanBackfill: see migrate.Migration.
func (c *Client) PlanBackfill(ctx context.Context) (migrate.Plan, error) {
	return c.plan(ctx, "backfill", verbArgs{})
}

// PlanVerify: see migrate.Migration.
func (c *Client) PlanVerify(ctx context.Context, sample float64) (migrate.Plan, error) {
	return c.plan(ctx, "verify", verbArgs{Sample: sample})
}

// PlanDeclareDown: see migrate.Migration.
func (c *Client) PlanDeclareDown(ctx context.Context, store string) (migrate.Plan, error) {
	return c.plan(ctx, "declare-down", verbArgs{Store: store})
}

// PlanRecover: see migrate.Migration.
func (c *Client) PlanRecover(ctx context.Context, store string) (migrate.Plan, error) {
	return c.plan(ctx, "recover", verbArgs{Store: store})
}

// PlanWish: see migrate.Migration.
func (c *Client) PlanWish(name, what string) (migrate.Plan, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askMost)
	defer cancel()
	return c.plan(ctx, jobVerb, verbArgs{Job: name, Wish: what})
}

// PlanForget says what Forget would do.
func (c *Client) PlanForget(ctx context.Context, name string) (migrate.Plan, error) {
	return c.plan(ctx, "forget", verbArgs{Name: name})
}

// PlanHold says what Hold would do.
func (c *Client) PlanHold(ctx context.Context) (migrate.Plan, error) {
	return c.plan(ctx, "hold", verbArgs{})
}

// PlanRelease says what Release would do.
func (c *Client) PlanRelease(ctx context.Context) (migrate.Plan, error) {
	return c.plan(ctx, "release", verbArgs{})
}
