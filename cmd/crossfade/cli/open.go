package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/book"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
	"github.com/seed-41165957/crossfade/migrate/control"
)

// stepFlags are those of verbs that move something.
type stepFlags struct {
	wait   time.Duration
	reason string
	// Of jobs alone.
	pace migrate.Pace
}

func (s *stepFlags) add(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&s.wait, "wait", 10*time.Minute, "how long to wait for each acknowledgement; then exit code 4, nothing half-done")
	cmd.Flags().StringVar(&s.reason, "reason", "", "why, kept with each step in the record")
}

// looker is who tells of the migration, and changes nothing.
type looker interface {
	PlanRamp(ctx context.Context, stage string, buckets int) (migrate.Plan, error)
	PlanRollback(ctx context.Context, to string) (migrate.Plan, error)
	PlanPin(ctx context.Context, h flags.Hash, to position.Position) (migrate.Plan, error)
	PlanUnpin(ctx context.Context, h flags.Hash) (migrate.Plan, error)
	PlanBackfill(ctx context.Context) (migrate.Plan, error)
	PlanVerify(ctx context.Context, sample float64) (migrate.Plan, error)
	PlanDeclareDown(ctx context.Context, store string) (migrate.Plan, error)
	PlanRecover(ctx context.Context, store string) (migrate.Plan, error)
	PlanWish(name, what string) (migrate.Plan, error)
	PlanComplete(ctx context.Context) (migrate.Completion, error)
	JobState(name string) (migrate.JobState, bool, error)
	Bypass(ctx context.Context) (migrate.Bypass, error)
	Status(ctx context.Context) (migrate.Overview, error)
	Divergences(ctx context.Context) (map[string][]agentapi.Divergence, error)
	Explain(ctx context.Context, q agentapi.Question) ([]agentapi.Explained, string, error)
	Close()
}

// mover is whoever moves the migration: this process over the flag file, or a
// server that is asked. Both write down what they are asked for.
type mover interface {
	looker
	Ramp(ctx context.Context, stage string, buckets int, progress func(migrate.Progress)) (migrate.Result, error)
	RampOn(ctx context.Context, agents []string, buckets int, progress func(migrate.Progress)) (migrate.Result, error)
	Rollback(ctx context.Context, to string, progress func(migrate.Progress)) (migrate.Result, error)
	Pin(ctx context.Context, h flags.Hash, to position.Position, progress func(migrate.Progress)) (migrate.Result, error)
	Unpin(ctx context.Context, h flags.Hash, progress func(migrate.Progress)) (migrate.Result, error)
	Backfill(ctx context.Context, progress func(migrate.Progress)) (migrate.Report, error)
	Verify(ctx context.Context, progress func(migrate.Progress)) (migrate.Report, error)
	Repair(ctx context.Context, o migrate.RepairOptions, progress func(migrate.Progress)) (migrate.RepairReport, error)
	UndoRepair(ctx context.Context, path string, progress func(migrate.Progress)) (migrate.UndoReport, error)
	DeclareDown(ctx context.Context, store string, progress func(migrate.Progress)) (migrate.Result, error)
	Recover(ctx context.Context, store string, progress func(migrate.Progress)) (migrate.Result, error)
	Observe(ctx context.Context, long time.Duration, progress func(migrate.Progress)) (migrate.Observation, error)
	Wish(name, what string) error
	Complete(ctx context.Context, progress func(migrate.Progress)) (migrate.Completion, error)
}

var (
	_ mover = audited{}
	_ mover = (*control.Client)(nil)
)

// opened is a migration and what has to be closed after it.
type opened struct {
	mover
	stores  []backends.Store
	scratch string // a folder to remove
}

// Close ends connections.
func (o *opened) Close() {
	if o.mover != nil {
		o.mover.Close()
	}
	for _, s := range o.stores {
		s.Close()
	}
	if o.scratch != "" {
		os.RemoveAll(o.scratch)
	}
}

// open reads the configuration: where it names servers they are asked, else this
// process moves the migration. Stores are made when they are needed.
func (a *app) open(s stepFlags) (*opened, error) {
	c, err := config.Load(a.config)
	if err != nil {
		return nil, usage(err)
	}
	if len(c.Flags.Server) > 0 {
		m, err := client(c, s)
		return &opened{mover: m}, err
	}
	if c.Flags.URL != "" {
		return nil, errElsewhere
	}
	_, o, err := a.moves(c, bookfiles.New(c.Flags.File), s)
	return o, err
}

// errElsewhere is told where the flags come from an address.
var errElsewhere = usage(errors.New("flags.url: the flags are made elsewhere: run this where they are made, with flags.file or flags.server"))

// moves is this process as the one that moves the migration.
func (a *app) moves(c *config.Config, b book.Book, s stepFlags) (*migrate.Migration, *opened, error) {
	o := &opened{}
	opt, err := o.options(c)
	if err != nil {
		return nil, nil, err
	}
	opt.Book, opt.Agents, opt.Wait, opt.Reason, opt.Pace = b, c.Flags.Agents, s.wait, s.reason, s.pace
	if c.Listen.AdminTokenFile.Set() {
		opt.Client = agentapi.ClientOptions{Token: c.Listen.AdminTokenFile.Read}
	}
	m, err := migrate.New(opt)
	if err != nil {
		return nil, nil, err
	}
	o.mover = audited{m, m}
	return m, o, nil
}

// alone is this process as the one that moves the migration, also where servers
// do that and are gone: what it would write down is then theirs to catch up.
func (a *app) alone(s stepFlags) (*migrate.Migration, *opened, error) {
	c, err := config.Load(a.config)
	if err != nil {
		return nil, nil, usage(err)
	}
	if c.Flags.URL != "" {
		return nil, nil, errElsewhere
	}
	path := c.Flags.File
	if path == "" {
		dir, err := os.MkdirTemp("", "crossfade-")
		if err != nil {
			return nil, nil, err
		}
		m, o, err := a.moves(c, bookfiles.New(filepath.Join(dir, "flags.json")), s)
		if err != nil {
			return nil, nil, err
		}
		o.scratch = dir
		return m, o, nil
	}
	return a.moves(c, bookfiles.New(path), s)
}

// client asks the servers that the configuration names.
func client(c *config.Config, s stepFlags) (*control.Client, error) {
	o := control.ClientOptions{Servers: c.Flags.Server, Who: login(), Reason: s.reason, Wait: s.wait, Pace: s.pace}
	if c.Server.TokenFile.Set() {
		o.Token = c.Server.TokenFile.Read
	}
	var err error
	if o.Dial, err = parts.Dial(c, nil); err != nil {
		return nil, err
	}
	return control.NewClient(o)
}

// servers asks the servers, where the configuration names some.
func (a *app) servers(s stepFlags) (*control.Client, error) {
	c, err := config.Load(a.config)
	if err != nil {
		return nil, usage(err)
	}
	if len(c.Flags.Server) == 0 {
		return nil, usage(errors.New("flags.server is empty, and this verb asks a crossfade server: run one, and name its address there (docs/server.md)"))
	}
	return client(c, s)
}

// login is who runs this, as far as the system knows.
func login() string {
	host, _ := os.Hostname()
	u, err := user.Current()
	if err != nil {
		return host
	}
	return u.Username + "@" + host
}

// options are those of a migration, less who is asked and where it is kept.
func (o *opened) options(c *config.Config) (opt migrate.Options, err error) {
	set, err := kinds.Compile(c.Kinds())
	if err != nil {
		return opt, usage(err)
	}
	hasher, err := flags.LoadKey(c.Agent.KeyFile)
	if err != nil {
		return opt, err
	}
	opt = migrate.Options{Migration: c.Migration, UndoDir: c.Agent.StateDir, Kinds: set, KeepOld: c.Cutover.KeepOld > 0,
		Digest: func(bucketing string) string { return c.Digest(bucketing, hasher.Digest(), parts.Version()) },
		Layer: func() (darklaunch.Options, error) {
			l := darklaunch.Options{Migration: c.Migration, Kinds: set, Hasher: hasher, CopyTimeout: c.Timeouts.Copy.Std(),
				BreakerFailures: c.Breaker.Failures, BreakerPeriod: c.Breaker.Period.Std()}
			var err1, err2 error
			l.Old.Store, err1 = o.store(c, "old", c.Old)
			l.New.Store, err2 = o.store(c, "new", c.New)
			l.Old.Timeout, l.New.Timeout = c.Timeouts.Old.Std(), max(c.Timeouts.New.Std(), c.Timeouts.Old.Std())
			if l.Old.Store != nil {
				l.Old.Evicts = parts.Evicts(l.Old.Store)
			}
			return l, errors.Join(err1, err2)
		},
	}
	if c.Old.Files != nil { // each host has its own
		opt.Host = c.Agent.Name
	}
	return opt, nil
}

// store makes the client of one store. Nothing is dialled.
func (o *opened) store(c *config.Config, side string, s config.Store) (backends.Store, error) {
	if s.Memory != nil {
		return nil, fmt.Errorf("%s is memory, which is inside the agent: what it holds cannot be looked at from here: use crossfade demo, or a server", side)
	}
	st, err := parts.OpenStore(side, s, c)
	if err != nil {
		return nil, err
	}
	o.stores = append(o.stores, st)
	return st, nil
}
