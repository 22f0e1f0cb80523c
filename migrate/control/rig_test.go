package control

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/evidence"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/files"
	"github.com/seed-41165957/crossfade/migrate/tunnel"
)

const name = "test"

var phpKinds = func() *kinds.Set {
	s, err := kinds.Compile([]kinds.Kind{{
		Name: "php", Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"}, Locks: []string{"memc.sess.key.lock.{id}"},
		NewKey: "PHPREDIS_SESSION:{id}", NewLock: "PHPREDIS_SESSION:{id}_LOCK", MaxAge: time.Hour, LockTTL: 100 * time.Millisecond,
	}})
	if err != nil {
		panic(err)
	}
	return s
}()

// rig is a fleet: stores, servers, agents that dial them, and who asks.
type rig struct {
	t        *testing.T
	old, new *memory.Store
	real     [2]backends.Store // in their place; nil: none
	hasher   *flags.Hasher
	book     func() book.Book             // of one more server
	change   func(*Options)               // of each server; nil: nothing
	fault    atomic.Pointer[memory.Fault] // of each call to new; nil: none
	oldFault atomic.Pointer[memory.Fault] // of each call to old
	servers  []*testServer
	agents   map[string]*testAgent
}

func newRig(t *testing.T, servers int, agents ...string) *rig {
	path := filepath.Join(t.TempDir(), "flags.json")
	return newRigOver(t, func() book.Book { return files.New(path) }, servers, agents...)
}

func newRigOver(t *testing.T, b func() book.Book, servers int, agents ...string) *rig {
	return newRigWith(t, b, nil, servers, agents...)
}

func newRigWith(t *testing.T, b func() book.Book, change func(*Options), servers int, agents ...string) *rig {
	return newRigOn(t, [2]backends.Store{}, b, change, servers, agents...)
}

// newRigOn is a fleet over stores of real servers; without them, of memory.
func newRigOn(t *testing.T, real [2]backends.Store, b func() book.Book, change func(*Options), servers int, agents ...string) *rig {
	r := &rig{t: t, real: real, book: b, change: change, agents: map[string]*testAgent{}}
	faulty := func(p *atomic.Pointer[memory.Fault]) func(memory.Call) memory.Fault {
		return func(memory.Call) (f memory.Fault) {
			if p := p.Load(); p != nil {
				f = *p
			}
			return f
		}
	}
	r.old = memory.New(memory.Options{Migration: name, Faults: faulty(&r.oldFault)})
	r.new = memory.New(memory.Options{Migration: name, Faults: faulty(&r.fault)})
	r.hasher, _ = flags.NewHasher(make([]byte, 32))
	for i := range servers {
		r.servers = append(r.servers, r.server(fmt.Sprintf("ctl-%d", i+1)))
	}
	for _, a := range agents {
		r.agents[a] = r.agent(a, t.TempDir())
	}
	return r
}

func (r *rig) options() darklaunch.Options {
	if r.real[0] != nil {
		return darklaunch.Options{Migration: name, Kinds: phpKinds, Hasher: r.hasher, CopyTimeout: time.Second,
			Old: darklaunch.Store{Store: r.real[0], Timeout: time.Second}, New: darklaunch.Store{Store: r.real[1], Timeout: time.Second}}
	}
	return darklaunch.Options{Migration: name, Kinds: phpKinds, Hasher: r.hasher, CopyTimeout: 500 * time.Millisecond,
		// A store in memory answers at once or refuses: what is late is this machine.
		Old: darklaunch.Store{Store: r.old, Timeout: 5 * time.Second}, New: darklaunch.Store{Store: r.new, Timeout: 5 * time.Second},
		BreakerPeriod: 50 * time.Millisecond, CompareRatio: 0.5, CompareRecheck: 20 * time.Millisecond}
}

// testServer is one server; kill ends it as a crash does: nothing is told.
type testServer struct {
	*Server
	http *httptest.Server
	kill func()
	// stop ends what it does; its port goes on.
	stop func()
	// crash is kill without a last word to the book: its locks run out.
	crash func()
}

func (r *rig) server(n string) *testServer {
	b := r.book()
	o := Options{Name: n, Log: testLog(r.t), Migration: migrate.Options{Migration: name, Book: b, Kinds: phpKinds,
		Layer: func() (darklaunch.Options, error) { return r.options(), nil }, Grace: 300 * time.Millisecond, Recheck: 20 * time.Millisecond, Batch: 50}}
	if r.change != nil {
		r.change(&o)
	}
	s, err := New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	ts := &testServer{Server: s, http: httptest.NewServer(s)}
	var once sync.Once
	ts.stop = func() { cancel(); <-done }
	ts.kill = func() {
		once.Do(func() {
			cancel()
			ts.http.CloseClientConnections()
			<-done
			ts.http.Close()
			b.Close()
		})
	}
	ts.crash = func() { ts.http.Config.Close(); b.Close(); ts.kill() } // who asked hears nothing more
	r.t.Cleanup(ts.kill)
	return ts
}

func (s *testServer) addr() string { return strings.TrimPrefix(s.http.URL, "http://") }

func (r *rig) client(change ...func(*ClientOptions)) *Client {
	o := ClientOptions{Who: "me", Wait: time.Minute}
	for _, s := range r.servers {
		o.Servers = append(o.Servers, s.addr())
	}
	for _, f := range change {
		f(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	return c
}

// testAgent is an agent as the sidecar makes it, without its ports.
type testAgent struct {
	r        *rig
	name     string
	dir      string
	kept     *flags.Kept
	layer    *darklaunch.Layer
	door     *darklaunch.Door
	stopping atomic.Bool
	stop     func(clean bool)
	leave    func()       // ends its connections to servers, and dials no more
	took     atomic.Int64 // unix nanoseconds of the last revision
}

func (r *rig) agent(n, dir string) *testAgent { return r.agentOf(n, dir, r.options()) }

func (r *rig) agentOf(n, dir string, o darklaunch.Options) *testAgent {
	return r.agentThrough(n, dir, o, func(h http.Handler) http.Handler { return h })
}

// agentThrough is an agent whose answers pass through something.
func (r *rig) agentThrough(n, dir string, o darklaunch.Options, through func(http.Handler) http.Handler) *testAgent {
	a := &testAgent{r: r, name: n, dir: dir, kept: flags.NewKept(flags.KeptOptions{StateDir: dir, Migration: name})}
	seen := evidence.New()
	o.Flags, o.StateDir, o.Observer = a.kept, dir, seen
	l, err := darklaunch.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	a.layer, a.door = l, l.Door("library")
	a.kept.Begin()
	run, endRun := context.WithCancel(context.Background())
	join, leave := context.WithCancel(context.Background())
	var running, joined sync.WaitGroup
	running.Go(func() { l.Run(run) })
	h := through(agentapi.New(l, agentapi.Options{Name: n, Version: "v", Flags: a.kept, Kinds: phpKinds, Digest: func(string) string { return "same" },
		Stopping: a.stopping.Load, Evidence: seen.Read, Take: func(data []byte) error {
			err := a.kept.Take(data, flags.FromServer)
			a.took.Store(time.Now().UnixNano())
			return err
		}}))
	for _, s := range r.servers {
		joined.Go(func() { tunnel.Run(join, tunnel.Agent{Addr: s.addr(), Name: n, Version: "v", Handler: h}) })
	}
	a.leave = func() { leave(); joined.Wait() }
	var once sync.Once
	a.stop = func(clean bool) {
		once.Do(func() {
			a.stopping.Store(true)
			endRun()
			running.Wait()
			if clean {
				a.signOff()
			}
			a.leave()
			l.Close()
		})
	}
	r.t.Cleanup(func() { a.stop(false) })
	return a
}

func (a *testAgent) signOff() (said string) {
	for _, s := range a.r.servers {
		body := fmt.Sprintf(`{"name":%q,"start":%q}`, a.name, a.layer.Status().Start)
		p, err := http.Post(s.http.URL+"/v1/agents/sign-off", "application/json", strings.NewReader(body))
		if err == nil {
			p.Body.Close()
			if said = p.Status; p.StatusCode == http.StatusOK {
				return ""
			}
		}
	}
	return said
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("still waiting: %s", what)
		}
	}
}

func (r *rig) ready(agents ...*testAgent) {
	r.t.Helper()
	for _, a := range agents {
		r.until(a.name+" to have a revision", func() bool { return a.layer.Epoch() > 0 })
	}
}

func (r *rig) names() (out []string) {
	r.t.Helper()
	ms, err := r.client().Members(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range ms {
		n := m.Name
		if m.Away != nil {
			n += " (away)"
		}
		out = append(out, n)
	}
	return out
}

func (r *rig) ramp(stage string, percent int) {
	r.t.Helper()
	if _, err := r.client().Ramp(r.t.Context(), stage, percent*100, nil); err != nil {
		r.t.Fatalf("ramp %s %d: %v", stage, percent, err)
	}
}

func (r *rig) fill(n int) {
	r.t.Helper()
	for i := range n {
		ref, _ := phpKinds.ResolveString(fmt.Sprintf("memc.sess.key.s%d", i))
		if err := r.old.Set(r.t.Context(), backends.Session{Key: ref.OldKey(), Data: []byte("x"), Deadline: time.Now().Add(time.Hour)}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func actor(who, why string) migrate.Actor { return migrate.Actor{Who: who, Why: why} }
