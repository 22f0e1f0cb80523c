// Package ring is several memcached servers as one store: each session is on the
// one that the site's clients expect it on.
//
//	s, err := ring.New(ring.Options{Migration: "sessions", Distribution: ring.Ketama,
//		Servers: []ring.Server{{Addr: "10.0.0.1:11211"}, {Addr: "10.0.0.2:11211"}}})
//	defer s.Close()
//
// It routes by backends.Key.Route (libmemcached does not hash a namespace), so
// that what Crossfade keeps beside a session is on the session's server. A server
// that is down is not gone around: its sessions get errors, since a client that
// moved them elsewhere, and back, would bring old ones back (libmemcached's
// remove-failed and twemproxy's auto_eject_hosts must be off).
package ring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

// Options of a ring. Migration and Servers are required.
type Options struct {
	Migration    string
	Servers      []Server
	Distribution string        // see NewRouter; empty: Ketama
	Hash         string        // of keys; see NewRouter
	DialTimeout  time.Duration // see memcached.Options
}

// Store is the ring. It is safe for concurrent use.
type Store struct {
	names   []string
	servers []*memcached.Store
	router  *Router
}

var (
	_ backends.Store       = (*Store)(nil)
	_ backends.Reader      = (*Store)(nil)
	_ backends.BatchReader = (*Store)(nil)
	_ backends.Toucher     = (*Store)(nil)
	_ backends.Adder       = (*Store)(nil)
	_ backends.Guarder     = (*Store)(nil)
	_ backends.Tombstoner  = (*Store)(nil)
	_ backends.Marker      = (*Store)(nil)
	_ backends.Locker      = (*Store)(nil)
	_ backends.Scanner     = (*Store)(nil)
	_ backends.Healther    = (*Store)(nil)
	_ backends.Pooled      = (*Store)(nil)
	_ backends.Peerer      = (*Store)(nil)
	_ backends.Sizer       = (*Store)(nil)
	_ backends.Ringed      = (*Store)(nil)
	_ backends.Taker       = (*Store)(nil)
)

// New makes a ring. Nothing is dialled before the first call. The error names
// what is accepted.
func New(o Options) (*Store, error) {
	if o.Distribution == "" {
		o.Distribution = Ketama
	}
	r, err := NewRouter(o.Servers, o.Distribution, o.Hash)
	if err != nil {
		return nil, err
	}
	s := &Store{router: r}
	for _, one := range o.Servers {
		s.names = append(s.names, one.Addr)
		s.servers = append(s.servers, memcached.New(one.Addr, memcached.Options{Migration: o.Migration, Name: one.Addr, DialTimeout: o.DialTimeout}))
	}
	return s, nil
}

func (s *Store) at(k backends.Key) int {
	if k.Route != "" {
		return s.router.Route(k.Route)
	}
	return s.router.Route(k.Name)
}

func (s *Store) of(k backends.Key) *memcached.Store { return s.servers[s.at(k)] }

// Servers implements backends.Ringed.
func (s *Store) Servers() []backends.Store {
	out := make([]backends.Store, len(s.servers))
	for i, one := range s.servers {
		out[i] = one
	}
	return out
}

// Close implements backends.Store.
func (s *Store) Close() error {
	var errs []error
	for _, one := range s.servers {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// each asks all servers at the same time; the error names those that failed.
func (s *Store) each(fn func(i int, one *memcached.Store) error) error {
	errs := make([]error, len(s.servers))
	var wg sync.WaitGroup
	for i, one := range s.servers {
		wg.Go(func() {
			if err := fn(i, one); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.names[i], err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// ReadMany implements backends.BatchReader: a batch a server.
func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	keys, places := make([][]backends.Key, len(s.servers)), make([][]int, len(s.servers))
	for i, k := range ks {
		at := s.at(k)
		keys[at], places[at] = append(keys[at], k), append(places[at], i)
	}
	out := make([]backends.Record, len(ks))
	err := s.each(func(i int, one *memcached.Store) error {
		if len(keys[i]) == 0 {
			return nil
		}
		recs, err := one.ReadMany(ctx, keys[i])
		for j := range recs {
			out[places[i][j]] = recs[j]
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Scan implements backends.Scanner: one server after the other. A copy that an
// earlier set of servers has left on a server that does not have the session any
// more gives its name, and nothing more.
func (s *Store) Scan(ctx context.Context, prefix string, fn func([]string) error) error {
	for i, one := range s.servers {
		if err := one.Scan(ctx, prefix, fn); err != nil {
			return fmt.Errorf("%s: %w", s.names[i], err)
		}
	}
	return nil
}

// Size implements backends.Sizer.
func (s *Store) Size(ctx context.Context) (int64, error) {
	counts := make([]int64, len(s.servers))
	err := s.each(func(i int, one *memcached.Store) (err error) {
		counts[i], err = one.Size(ctx)
		return err
	})
	var n int64
	for _, c := range counts {
		n += c
	}
	return n, err
}

// Health implements backends.Healther: of all together. One server that does not
// say how it is makes the ring one that does not; the run id is that of all, so
// that it changes when one of them is started anew.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	all := make([]backends.Health, len(s.servers))
	err := s.each(func(i int, one *memcached.Store) (err error) {
		all[i], err = one.Health(ctx)
		return err
	})
	if err != nil {
		return backends.Health{}, err
	}
	h, ids := all[0], []string{}
	h.Evictions, h.Evicts, h.Note = 0, false, ""
	for _, one := range all {
		ids = append(ids, one.RunID)
		h.Evictions += one.Evictions
		h.Evicts = h.Evicts || one.Evicts
		if h.Note == "" {
			h.Note = one.Note
		}
	}
	h.RunID = strings.Join(ids, " ")
	h.Connections, h.Parked = s.Connections()
	return h, nil
}

// Connections implements backends.Pooled.
func (s *Store) Connections() (open, parked int) {
	for _, one := range s.servers {
		o, p := one.Connections()
		open, parked = open+o, parked+p
	}
	return open, parked
}

// Peers implements backends.Peerer.
func (s *Store) Peers(ctx context.Context) (all []backends.Peer, own []string, err error) {
	var mu sync.Mutex
	err = s.each(func(_ int, one *memcached.Store) error {
		a, o, err := one.Peers(ctx)
		mu.Lock()
		defer mu.Unlock()
		all, own = append(all, a...), append(own, o...)
		return err
	})
	return all, own, err
}

// Preflight looks at each server as memcached.Store's does; what it finds is
// headed by the server's address.
func (s *Store) Preflight(ctx context.Context) ([]memcached.Finding, error) {
	found := make([][]memcached.Finding, len(s.servers))
	err := s.each(func(i int, one *memcached.Store) (err error) {
		found[i], err = one.Preflight(ctx)
		return err
	})
	var out []memcached.Finding
	for i, fs := range found {
		for _, f := range fs {
			f.What = s.names[i] + ": " + f.What
			out = append(out, f)
		}
	}
	return out, err
}

// Settle ends the doubt about a call at the server that the run id names: see
// memcached.Store.
func (s *Store) Settle(ctx context.Context, conn, runID string) error {
	for i, name := range s.names {
		if strings.HasSuffix(runID, "@"+name) {
			return s.servers[i].Settle(ctx, conn, runID)
		}
	}
	return fmt.Errorf("ring: settle: no server of this ring has that run id")
}

// TakesData implements backends.Taker, as the servers' stores do.
func (s *Store) TakesData() bool { return true }
