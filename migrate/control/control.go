// Package control is the control plane of a migration: the server that keeps the
// record, gives agents their revisions, and moves the ramp for whoever asks.
//
//	s, err := control.New(control.Options{Name: "ctl-1", Migration: migrateOptions, Log: log})
//	go http.Serve(listener, s)
//	err = s.Run(ctx)
//
// It promises that nothing waits for it but a step: with all servers gone, agents
// serve on with the revision they have. Of several servers over one book the one
// that holds the lock lead moves; what was asked for is written down before it
// is begun, so that the next one goes on with it.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/access"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/gates"
	"github.com/seed-41165957/crossfade/migrate/plan"
)

// Options of a Server. Name and Migration (with its Book) are needed.
type Options struct {
	Name      string
	Version   string
	Migration migrate.Options // Roster is filled in
	// Token, where set, is asked for as a bearer token below /v1. Without one the
	// server must listen on loopback.
	Token string
	// People may sign in; nil: nobody does. Then who asks on loopback may do all,
	// and off it shows Token.
	People *access.People
	// Clock is what sign-ins go by; nil: the system's.
	Clock func() time.Time
	// Watch is how often the fleet is looked at for the metrics. Default 2 s.
	Watch   time.Duration
	KeepOld time.Duration // cutover.keep_old
	// Plan is the way to go; nil: the one that is built in. PlanAuto: its steps
	// follow by themselves.
	Plan     *plan.Plan
	PlanAuto bool
	// Look is how often agents are asked for evidence, and the gates looked at.
	// Default 500 ms: with two looks in a row a failed gate holds within some
	// 1.5 s.
	Look time.Duration
	// Synthetic is how often each agent makes a round trip with a synthetic
	// session, to show that it serves. 0: never.
	Synthetic time.Duration
	Log       *slog.Logger
}

const (
	// boardEvery is how often a server looks whether another process has
	// published.
	boardEvery = 200 * time.Millisecond
	leadEvery  = 300 * time.Millisecond
)

// Server is one server of a migration. It is safe for concurrent use.
type Server struct {
	o       Options
	m       *migrate.Migration
	b       book.Book
	log     *slog.Logger
	mux     http.Handler
	desk    *access.Desk
	roster  *roster
	board   *board
	gossip  *gossip
	watcher *migrate.Watcher
	planner *planner
	series  *series
	screens *screens
	scan    chan struct{} // of one: who goes through the stores for a dry run

	wg sync.WaitGroup // connections of agents

	mu   sync.Mutex      // guards what follows
	lead context.Context // nil: another server leads
	lock book.Lock       // under which it leads
	job  *job            // the last goal that was begun here
	base context.Context // of Run; nil before
}

// New makes a server. It starts nothing.
func New(o Options) (*Server, error) {
	if o.Name == "" || o.Migration.Book == nil {
		return nil, errors.New("control: Options.Name and Migration.Book are needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Watch == 0 {
		o.Watch = 2 * time.Second
	}
	if o.Look == 0 {
		o.Look = 500 * time.Millisecond
	}
	s := &Server{o: o, b: o.Migration.Book, log: o.Log.With("component", "server")}
	s.roster = newRoster(s.b)
	s.board = newBoard(s.b)
	s.gossip = newGossip()
	s.planner = newPlanner(s, o.Plan, o.PlanAuto)
	mo := o.Migration
	mo.Agents, mo.Roster = nil, s.roster
	mo.Wait = forever
	m, err := migrate.New(mo)
	if err != nil {
		return nil, err
	}
	s.m = m
	s.watcher = migrate.NewWatcher(m, migrate.WatcherOptions{Every: o.Watch, KeepOld: o.KeepOld})
	s.desk = access.NewDesk(access.DeskOptions{Token: o.Token, Setting: "server.token_file", People: o.People, Note: s.noteSignIn, Clock: o.Clock})
	s.series, s.screens, s.scan = newSeries(), newScreens(), make(chan struct{}, 1)
	s.mux = s.routes()
	return s, nil
}

// forever is how long a goal waits for an acknowledgement: until somebody takes
// it back.
const forever = 365 * 24 * time.Hour

// Watched is what the fleet looked like lately; ok false: another server leads.
func (s *Server) Watched() (migrate.Watched, bool) {
	if !s.leads() {
		return migrate.Watched{}, false
	}
	w, ok := s.watcher.Last()
	if v := s.planner.last(); ok && v != nil {
		w.Gates = maps.Clone(w.Gates)
		for _, g := range v.Gates {
			w.Gates[g.Gate] = map[gates.State]migrate.GateState{gates.Pass: migrate.GateOpen, gates.Fail: migrate.GateShut, gates.Inconclusive: migrate.GateNotSeen}[g.State]
		}
	}
	return w, ok
}

func (s *Server) leads() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lead != nil && s.lead.Err() == nil
}

// Run serves agents, and leads when it is this server's turn, until ctx ends.
// What is under way then is stopped, and goes on where the next server leads.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.base = ctx
	s.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { s.board.run(ctx) })
	wg.Go(func() { s.watcher.Run(ctx) })
	wg.Go(func() { s.show(ctx) })
	var failed error
	for ctx.Err() == nil {
		lock, err := s.b.TryLock(ctx, book.Lead)
		switch {
		case err != nil && (failed == nil || failed.Error() != err.Error()):
			s.log.Error("who leads cannot be told", "error", err)
		case lock != nil:
			s.leading(ctx, lock)
		}
		failed = err
		sleep(ctx, leadEvery)
	}
	s.roster.close()
	wg.Wait()
	s.wg.Wait()
	s.m.Close()
	return nil
}

// leading moves what there is to move until the lock is lost or ctx ends.
func (s *Server) leading(ctx context.Context, lock book.Lock) {
	defer lock.Release()
	lead, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-lock.Lost():
			cancel(errDeposed)
		case <-lead.Done():
		}
	}()
	s.log.Info("leading", "server", s.o.Name)
	if err := s.begin(lead, lock); err != nil && lead.Err() == nil {
		s.log.Error("the migration cannot be led", "error", err)
		return
	}
	s.mu.Lock()
	s.lead, s.lock = lead, lock
	s.mu.Unlock()
	var also sync.WaitGroup
	also.Go(func() { s.listMarkers(lead) })
	also.Go(func() { s.keepSeries(lead) })
	s.planner.run(lead)
	also.Wait()
	s.mu.Lock()
	j := s.job
	s.lead = nil
	s.mu.Unlock()
	if j != nil {
		<-j.done
	}
	s.log.Info("leading no more", "server", s.o.Name, "cause", context.Cause(lead))
}

var errDeposed = errors.New("control: another server leads now: ask it")

// begin sees to it that there is a revision, and goes on with what the last
// server left.
func (s *Server) begin(ctx context.Context, lock book.Lock) error {
	data, err := s.b.Load(ctx, book.Flags)
	if err != nil {
		return err
	}
	g, err := s.loadGoal(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case g != nil && g.Ended == nil:
		s.log.Info("going on with what was asked for", "verb", g.Verb, "goal", g.ID)
		g.Resumed = true
		s.start(ctx, lock, *g, nil)
	case data == nil: // agents need a revision to serve by
		first := Goal{ID: firstGoal, Verb: "ramp", Args: json.RawMessage(`{"stage":"mirror"}`), Actor: migrate.Actor{Who: "server " + s.o.Name, Why: "the first revision"}, Asked: time.Now().UTC()}
		if err := s.saveGoal(ctx, lock, first); err != nil {
			return err
		}
		s.start(ctx, lock, first, nil)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
