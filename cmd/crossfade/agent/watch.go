package agent

import (
	"context"
	"errors"

	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
)

// watchFleet lets this agent look after the whole fleet, if it is the first in
// flags.agents, and exports what it sees. It is nothing that a request waits for:
// when it cannot start, the agent serves without it.
func (a *agent) watchFleet() (run func(context.Context), err error) {
	if len(a.c.Flags.Agents) == 0 {
		return nil, errors.New("flags.agents is empty")
	}
	o := migrate.Options{Migration: a.c.Migration, Book: bookfiles.New(a.c.Flags.File), Kinds: a.parts.Kinds, Agents: a.c.Flags.Agents,
		KeepOld: a.c.Cutover.KeepOld > 0, Digest: a.digest,
		Layer: func() (darklaunch.Options, error) { return a.parts.Options(), nil }}
	if a.c.Listen.AdminTokenFile.Set() {
		o.Client = agentapi.ClientOptions{Token: a.c.Listen.AdminTokenFile.Read}
	}
	m, err := migrate.New(o)
	if err != nil {
		return nil, err
	}
	w := migrate.NewWatcher(m, migrate.WatcherOptions{Own: a.layer.Status().Start, Every: a.o.WatchEvery, KeepOld: a.c.Cutover.KeepOld.Std()})
	a.o.Metrics.WatchFleet(a.c.Migration, func() (metrics.Fleet, bool) {
		v, ok := w.Last()
		return parts.Fleet(v), ok
	})
	return func(ctx context.Context) {
		w.Run(ctx)
		m.Close()
	}, nil
}

func (a *agent) digest(bucketing string) string {
	return a.c.Digest(bucketing, a.parts.Hasher.Digest(), a.o.Version)
}
