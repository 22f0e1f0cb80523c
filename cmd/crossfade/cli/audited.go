package cli

import (
	"context"
	"path/filepath"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
)

// audited writes down what this process is asked for, where no server does. It
// has no more of a migration than looks at it: a verb that is not written down
// here does not compile.
type audited struct {
	looker
	m *migrate.Migration
}

// stepArgs are named as those that a server writes down.
type stepArgs struct {
	Agents  []string               `json:"agents,omitempty"`
	Stage   string                 `json:"stage,omitempty"`
	Buckets int                    `json:"buckets,omitempty"`
	To      string                 `json:"to,omitempty"`
	Store   string                 `json:"store,omitempty"`
	Sample  float64                `json:"sample,omitempty"` // of a verification; 0: all
	Seconds float64                `json:"seconds,omitempty"`
	Hash    string                 `json:"hash,omitempty"`
	At      string                 `json:"position,omitempty"`
	Name    string                 `json:"name,omitempty"`
	Repair  *migrate.RepairOptions `json:"repair,omitempty"`
}

func logged[T any](ctx context.Context, m audited, verb string, args stepArgs, do func(context.Context) (T, error)) (r T, err error) {
	ctx = migrate.WithActor(ctx, migrate.Actor{Who: login()})
	err = m.m.Audited(ctx, verb, args, func(ctx context.Context) (err error) {
		r, err = do(ctx)
		return err
	})
	return r, err
}

// Ramp is written down.
func (m audited) Ramp(ctx context.Context, stage string, buckets int, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "ramp", stepArgs{Stage: stage, Buckets: buckets}, func(ctx context.Context) (migrate.Result, error) {
		return m.m.Ramp(ctx, stage, buckets, progress)
	})
}

// RampOn is written down.
func (m audited) RampOn(ctx context.Context, agents []string, buckets int, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "ramp", stepArgs{Stage: "mirror", Buckets: buckets, Agents: agents}, func(ctx context.Context) (migrate.Result, error) {
		return m.m.RampOn(ctx, agents, buckets, progress)
	})
}

// Rollback is written down.
func (m audited) Rollback(ctx context.Context, to string, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "rollback", stepArgs{To: to}, func(ctx context.Context) (migrate.Result, error) {
		return m.m.Rollback(ctx, to, progress)
	})
}

// Pin is written down.
func (m audited) Pin(ctx context.Context, h flags.Hash, to position.Position, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "pin", stepArgs{Hash: h.String(), At: to.String()}, func(ctx context.Context) (migrate.Result, error) {
		return m.m.Pin(ctx, h, to, progress)
	})
}

// Unpin is written down.
func (m audited) Unpin(ctx context.Context, h flags.Hash, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "unpin", stepArgs{Hash: h.String()}, func(ctx context.Context) (migrate.Result, error) {
		return m.m.Unpin(ctx, h, progress)
	})
}

// Backfill is written down.
func (m audited) Backfill(ctx context.Context, progress func(migrate.Progress)) (migrate.Report, error) {
	return logged(ctx, m, "backfill", stepArgs{}, func(ctx context.Context) (migrate.Report, error) {
		return m.m.Backfill(ctx, progress)
	})
}

// Verify is written down.
func (m audited) Verify(ctx context.Context, progress func(migrate.Progress)) (migrate.Report, error) {
	return logged(ctx, m, "verify", stepArgs{Sample: migrate.SampleOf(ctx)}, func(ctx context.Context) (migrate.Report, error) {
		return m.m.Verify(ctx, progress)
	})
}

// Repair is written down, also where it only says what it would do.
func (m audited) Repair(ctx context.Context, o migrate.RepairOptions, progress func(migrate.Progress)) (migrate.RepairReport, error) {
	return logged(ctx, m, "repair", stepArgs{Repair: &o}, func(ctx context.Context) (migrate.RepairReport, error) {
		return m.m.Repair(ctx, o, progress)
	})
}

// UndoRepair is written down.
func (m audited) UndoRepair(ctx context.Context, path string, progress func(migrate.Progress)) (migrate.UndoReport, error) {
	return logged(ctx, m, "repair-undo", stepArgs{Name: filepath.Base(path)}, func(ctx context.Context) (migrate.UndoReport, error) {
		return m.m.UndoRepair(ctx, path, progress)
	})
}

// Wish is written down once somebody was there to hear it.
func (m audited) Wish(name, what string) error {
	if err := m.m.Wish(name, what); err != nil {
		return err
	}
	ctx := migrate.WithActor(context.Background(), migrate.Actor{Who: login()})
	return m.m.Noted(ctx, "job", map[string]string{"job": name, "wish": what}, audit.Done)
}

// Complete is written down.
func (m audited) Complete(ctx context.Context, progress func(migrate.Progress)) (migrate.Completion, error) {
	return logged(ctx, m, "complete", stepArgs{}, func(ctx context.Context) (migrate.Completion, error) {
		return m.m.Complete(ctx, progress)
	})
}

// DeclareDown is written down.
func (m audited) DeclareDown(ctx context.Context, store string, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "declare-down", stepArgs{Store: store}, func(ctx context.Context) (migrate.Result, error) {
		return m.m.DeclareDown(ctx, store, progress)
	})
}

// Recover is written down.
func (m audited) Recover(ctx context.Context, store string, progress func(migrate.Progress)) (migrate.Result, error) {
	return logged(ctx, m, "recover", stepArgs{Store: store}, func(ctx context.Context) (migrate.Result, error) {
		return m.m.Recover(ctx, store, progress)
	})
}

// Observe is written down.
func (m audited) Observe(ctx context.Context, long time.Duration, progress func(migrate.Progress)) (migrate.Observation, error) {
	return logged(ctx, m, "observe", stepArgs{Seconds: long.Seconds()}, func(ctx context.Context) (migrate.Observation, error) {
		return m.m.Observe(ctx, long, progress)
	})
}
