// Package backendtest is the suite that every backends.Store passes, against
// its real server: one subtest for each promise of the comments in backends,
// and, where Options.Server is given, what happens while the server is gone or
// stands still.
//
//	func TestStore(t *testing.T) {
//		srv := backendtest.Redis(t)
//		backendtest.Run(t, func(t *testing.T) backends.Store {
//			return redis.New(redis.Options{Addr: srv.Addr(), Migration: "test"})
//		}, backendtest.Options{Server: srv})
//	}
//
// Abilities (Guarder, Marker and so on) are probed; a promise of one that the
// store lacks is skipped, so an adapter states its abilities in its own file
// with var _ lines. Each subtest has a store and ids of its own. Every wait is
// bounded.
package backendtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Options say what a store is and what it has near it. The zero value fits a
// store that keeps deadlines to the millisecond and has no server.
type Options struct {
	// Exactness is how far a deadline may move: time.Second for memcached.
	// Zero means 10 ms.
	Exactness time.Duration
	// MaxData is the largest session that the store must take; one byte more
	// than 1 MiB must be refused. Zero means backends.MaxData.
	MaxData int
	// PlainNames: the store takes letters, digits and hyphens only, so that keys
	// cannot have a hash tag.
	PlainNames bool
	// Server is broken and mended again by the fault subtests; nothing else may
	// use it meanwhile. nil: no fault subtests.
	Server Server
	// Replaced says that another takes a killed Server's place: then only what
	// happens while it stands still is tried here.
	Replaced bool
	// MaxConnections is how many connections one store may have open at any
	// time. Zero means 64.
	MaxConnections int
	// Deviations are the subtests ("guard/two at once") that the store does not
	// pass, with the reason. Each must fail: one that passes is an error here,
	// because it is no longer needed.
	Deviations map[string]string
}

// Server is what fault subtests do to a server; localserver.Server does it.
// Restart loses what the server held.
type Server interface {
	Addr() string
	Kill() error
	Restart(ctx context.Context) error
	Freeze() error
	Thaw() error
}

// testCase is one promise.
type testCase struct {
	name string
	run  func(*env)
}

// Run runs the suite. open makes a store for one subtest, which closes it.
func Run(t *testing.T, open func(t *testing.T) backends.Store, opts Options) {
	if opts.Exactness == 0 {
		opts.Exactness = 10 * time.Millisecond
	}
	if opts.MaxData == 0 {
		opts.MaxData = backends.MaxData
	}
	if opts.MaxConnections == 0 {
		opts.MaxConnections = 64
	}
	promises := slices.Concat(sessionCases, callCases, dataCases, deadlineCases, touchCases, addCases, guardCases,
		conflictCases, reviveCases, lateCases, batchCases, tombstoneCases, markCases, lockCases, scanCases, resumeCases, healthCases, noteCases)
	faults := slices.Concat(goneCases, stallCases, momentCases, noteFaults)
	for name := range opts.Deviations {
		if !slices.ContainsFunc(slices.Concat(promises, faults), func(c testCase) bool { return c.name == name }) {
			t.Errorf("a deviation is declared for %q, and there is no such subtest", name)
		}
	}
	t.Run("promise", func(t *testing.T) {
		for _, c := range promises {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel() // most of the time is spent waiting for deadlines
				runCase(t, c, open, opts)
			})
		}
	})
	if opts.Server == nil {
		return
	}
	t.Run("fault", func(t *testing.T) {
		for _, c := range faults {
			if opts.Replaced && strings.HasPrefix(c.name, "gone/") {
				continue
			}
			t.Run(c.name, func(t *testing.T) { runCase(t, c, open, opts) })
		}
	})
}

func runCase(t *testing.T, c testCase, open func(t *testing.T) backends.Store, opts Options) {
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	e := &env{TB: t, ctx: ctx, store: s, opts: opts, prefix: fmt.Sprintf("bt-%08x-", rand.Uint32())}
	if reason, ok := opts.Deviations[c.name]; ok {
		mustDeviate(t, e, c, reason)
		return
	}
	c.run(e)
}

// env is what one subtest works with.
type env struct {
	testing.TB
	ctx    context.Context
	store  backends.Store
	opts   Options
	prefix string // of this subtest's keys
}

// ability gives the store as a T, or skips the subtest.
func ability[T any](e *env) T {
	e.Helper()
	a, ok := e.store.(T)
	if !ok {
		e.Skipf("the store is no %T", *new(T))
	}
	return a
}

// key is one of this subtest's own.
func (e *env) key(name string) backends.Key {
	return backends.Key{Name: e.prefix + strings.ReplaceAll(name, " ", "-")}
}

// session is one that lives for an hour.
func (e *env) session(k backends.Key, data string) backends.Session {
	return backends.Session{Key: k, Data: []byte(data), Deadline: time.Now().Add(time.Hour)}
}

func (e *env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("got error %v, want nil", err)
	}
}

func (e *env) set(k backends.Key, data string) {
	e.Helper()
	if err := e.store.Set(e.ctx, e.session(k, data)); err != nil {
		e.Fatalf("set: %v", err)
	}
}

func (e *env) delete(k backends.Key) {
	e.Helper()
	if _, err := e.store.Delete(e.ctx, k); err != nil {
		e.Fatalf("delete: %v", err)
	}
}

// wantData fails unless k holds data.
func (e *env) wantData(k backends.Key, data string) {
	e.Helper()
	s, found, err := e.store.Get(e.ctx, k)
	switch {
	case err != nil:
		e.Fatalf("get: %v", err)
	case !found:
		e.Fatalf("get: missing, want %d bytes", len(data))
	case string(s.Data) != data:
		e.Fatalf("get: got %s, want %s", short(string(s.Data)), short(data))
	case s.Key != k:
		e.Fatalf("get: got key %+v, want %+v", s.Key, k)
	}
}

// wantMissing fails unless k is missing.
func (e *env) wantMissing(k backends.Key) {
	e.Helper()
	s, found, err := e.store.Get(e.ctx, k)
	if err != nil {
		e.Fatalf("get: %v", err)
	}
	if found {
		e.Fatalf("get: found %s, want missing", short(string(s.Data)))
	}
}

// wantErr fails unless err is want.
func (e *env) wantErr(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("got error %v, want %v", err, want)
	}
}

// eventually waits until ok is true, for half a minute at most.
func (e *env) eventually(what string, ok func() bool) {
	e.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(3 * time.Millisecond) {
		if time.Now().After(end) {
			e.Fatalf("waited 30s in vain: %s", what)
		}
	}
}

// soon is a deadline not far away that the store can keep.
func (e *env) soon() time.Time {
	if e.opts.Exactness >= time.Second {
		return time.Now().Add(time.Second)
	}
	return time.Now().Add(60 * time.Millisecond)
}

// before runs do, which does what must be done before a deadline that is not far
// away, with a key of its own, and gives both. Where a busy machine let the
// deadline pass meanwhile, it is made again, with more time.
func (e *env) before(do func(k backends.Key, d time.Time) error) (backends.Key, time.Time) {
	e.Helper()
	for i, more := range []time.Duration{0, time.Second, 5 * time.Second, 20 * time.Second} {
		k, d := e.key(fmt.Sprintf("in-time-%d-%08x", i, rand.Uint32())), e.soon().Add(more)
		if err := do(k, d); time.Now().Before(d) {
			e.must(err)
			return k, d
		}
	}
	e.Fatalf("twenty seconds do not suffice")
	return backends.Key{}, time.Time{}
}

// short is data in an error message.
func short(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%.40q… (%d bytes)", s, len(s))
	}
	return fmt.Sprintf("%q", s)
}
