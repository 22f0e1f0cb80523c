package demo

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// pair is the two stores of a show, and what can be done to them.
type pair struct {
	old, new backends.Store
	evicts   bool // old may throw sessions out
	oldSrv   breakable
	newSrv   breakable
	closers  []func() error
}

// breakable is a store's server.
type breakable interface {
	kill() error
	stall() error
	mend() error
}

func (p *pair) close() error {
	errs := []error{p.old.Close(), p.new.Close()}
	for _, c := range p.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// embedded stores, in this process.
func embedded() *pair {
	a, b := &switchable{}, &switchable{}
	return &pair{
		old:    memory.New(memory.Options{Migration: migration, Faults: a.fault}),
		new:    memory.New(memory.Options{Migration: migration, Faults: b.fault}),
		oldSrv: a, newSrv: b,
	}
}

// switchable breaks an embedded store.
type switchable struct {
	mu      sync.Mutex // guards what follows
	dead    bool
	stalled chan struct{} // closed when the stall is over
}

func (s *switchable) fault(memory.Call) memory.Fault {
	s.mu.Lock()
	dead, stalled := s.dead, s.stalled
	s.mu.Unlock()
	switch {
	case dead:
		return memory.Fault{Kind: memory.NotApplied}
	case stalled != nil:
		// As in a stopped server: the call waits, and is carried out when the
		// server wakes.
		return memory.Fault{Kind: memory.TimeoutLater, Later: func(apply func()) {
			go func() { <-stalled; apply() }()
		}}
	}
	return memory.Fault{}
}

func (s *switchable) kill() error { s.mu.Lock(); defer s.mu.Unlock(); s.dead = true; return nil }

func (s *switchable) stall() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = make(chan struct{})
	return nil
}

func (s *switchable) mend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = false
	if s.stalled != nil {
		close(s.stalled)
		s.stalled = nil
	}
	return nil
}

// real servers, which the show starts itself.
func realServers(ctx context.Context) (*pair, error) {
	mc, err := localserver.Memcached(ctx, localserver.Options{})
	if err != nil {
		return nil, err
	}
	rd, err := localserver.Redis(ctx, localserver.Options{})
	if err != nil {
		return nil, errors.Join(err, mc.Stop())
	}
	return &pair{
		old:    memcached.New(mc.Addr(), memcached.Options{Migration: migration}),
		new:    redis.New(redis.Options{Addr: rd.Addr(), Migration: migration, DialTimeout: 250 * time.Millisecond}),
		evicts: true,
		oldSrv: &server{s: mc}, newSrv: &server{s: rd},
		closers: []func() error{mc.Stop, rd.Stop},
	}, nil
}

// server breaks a real one.
type server struct {
	s      *localserver.Server
	frozen bool
}

func (s *server) kill() error { return s.s.Kill() }

func (s *server) stall() error { s.frozen = true; return s.s.Freeze() }

func (s *server) mend() error {
	if s.frozen {
		s.frozen = false
		return s.s.Thaw()
	}
	return s.s.Restart(context.Background())
}
