package cli

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
)

// audited writes down what this process is asked for, where no server does.
type audited struct {
	*migrate.Migration
}

type stepArgs struct {
	Stage   string  `json:"stage,omitempty"`
	Buckets int     `json:"buckets,omitempty"`
	To      string  `json:"to,omitempty"`
	Store   string  `json:"store,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	Hash    string  `json:"hash,omitempty"`
	At      string  `json:"position,omitempty"`
}

func logged[T any](ctx context.Context, m audited, verb string, args stepArgs, do func(context.Context) (T, error)) (r T, err error) {
	ctx = migrate.WithActor(ctx, migrate.Actor{Who: login()})
	err = m.Audited(ctx, verb, args, func(ctx context.Context) (err error) {
		r, err = do(ctx)
		return err
	})
	return r, err
}

// Ramp is written down.
func (m audited) Ramp(ctx context.Context, stage string, buckets int, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "ramp", stepArgs{Stage: stage, Buckets: buckets}, func(ctx context.Context) (migrate.Result, error) {
		return m.Migration.Ramp(ctx, stage, buckets, progress)
	})
}

// Rollback is written down.
func (m audited) Rollback(ctx context.Context, to string, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "rollback", stepArgs{To: to}, func(ctx context.Context) (migrate.Result, error) {
		return m.Migration.Rollback(ctx, to, progress)
	})
}

// Pin is written down.
func (m audited) Pin(ctx context.Context, h flags.Hash, to position.Position, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "pin", stepArgs{Hash: h.String(), At: to.String()}, func(ctx context.Context) (migrate.Result, error) {
		return m.Migration.Pin(ctx, h, to, progress)
	})
}

// Unpin is written down.
func (m audited) Unpin(ctx context.Context, h flags.Hash, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "unpin", stepArgs{Hash: h.String()}, func(ctx context.Context) (migrate.Result, error) {
		return m.Migration.Unpin(ctx, h, progress)
	})
}

// Backfill is written down.
func (m audited) Backfill(ctx context.Context, progress func(migrate.Progress)) (migrate.Report, error) {
	return logged(ctx, m, "backfill", stepArgs{}, func(ctx context.Context) (migrate.Report, error) {
		return m.Migration.Backfill(ctx, progress)
	})
}

// Verify is written down.
func (m audited) Verify(ctx context.Context, progress func(migrate.Progress)) (migrate.Report, error) {
	return logged(ctx, m, "verify", stepArgs{}, func(ctx context.Context) (migrate.Report, error) {
		return m.Migration.Verify(ctx, progress)
	})
}

// DeclareDown is written down.
func (m audited) DeclareDown(ctx context.Context, store string, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "declare-down", stepArgs{Store: store}, func(ctx context.Context) (migrate.Result, error) {
		return m.Migration.DeclareDown(ctx, store, progress)
	})
}

// Recover is written down.
func (m audited) Recover(ctx context.Context, store string, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "recover", stepArgs{Store: store}, func(ctx context.Context) (migrate.Result, error) {
		return m.Migration.Recover(ctx, store, progress)
	})
}

// Observe is written down.
func (m audited) Observe(ctx context.Context, long time.Duration, progress func(migrate.Progress)) (migrate.Observation, error) {
	return logged(ctx, m, "observe", stepArgs{Seconds: long.Seconds()}, func(ctx context.Context) (migrate.Observation, error) {
		return m.Migration.Observe(ctx, long, progress)
	})
}
