package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// stepFlags are those of verbs that move something.
type stepFlags struct {
	wait   time.Duration
	reason string
	// Of jobs alone.
	rate    float64
	workers int
	giveWay bool
}

func (s *stepFlags) add(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&s.wait, "wait", 10*time.Minute, "how long to wait for each acknowledgement; then exit code 4, nothing half-done")
	cmd.Flags().StringVar(&s.reason, "reason", "", "why, kept with each step in the record")
}

// opened is a migration and what has to be closed after it.
type opened struct {
	*migrate.Migration
	stores []backends.Store
}

// Close ends connections.
func (o *opened) Close() {
	o.Migration.Close()
	for _, s := range o.stores {
		s.Close()
	}
}

// open reads the configuration. Stores are made when they are needed.
func (a *app) open(s stepFlags) (*opened, error) {
	c, err := config.Load(a.config)
	if err != nil {
		return nil, usage(err)
	}
	set, err := kinds.Compile(c.Kinds())
	if err != nil {
		return nil, usage(err)
	}
	hasher, err := flags.LoadKey(c.Agent.KeyFile)
	if err != nil {
		return nil, err
	}
	o := &opened{}
	opt := migrate.Options{Migration: c.Migration, FlagFile: filepath.Clean(c.Flags.File), Kinds: set, Agents: c.Flags.Agents,
		KeepOld: c.Cutover.KeepOld > 0, Wait: s.wait, Reason: s.reason,
		Rate: s.rate, Workers: s.workers, GiveWay: s.giveWay,
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
	if c.Listen.AdminTokenFile.Set() {
		opt.Client = agentapi.ClientOptions{Token: c.Listen.AdminTokenFile.Read}
	}
	o.Migration, err = migrate.New(opt)
	return o, err
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
