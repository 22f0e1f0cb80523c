package migrate

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
)

const migration = "test"

var phpKinds = func() *kinds.Set {
	s, err := kinds.Compile([]kinds.Kind{{
		Name: "php", Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"}, Locks: []string{"memc.sess.key.lock.{id}"},
		NewKey: "PHPREDIS_SESSION:{id}", NewLock: "PHPREDIS_SESSION:{id}_LOCK", MaxAge: time.Hour, LockTTL: 300 * time.Millisecond,
	}})
	if err != nil {
		panic(err)
	}
	return s
}()

func ref(id string) kinds.Ref {
	r, ok := phpKinds.ResolveString("memc.sess.key." + id)
	if !ok {
		panic(id)
	}
	return r
}

// rig is a fleet of agents over two stores, and who moves its ramp.
type rig struct {
	t        testing.TB
	dir      string
	old, new *memory.Store
	own      map[string]*memory.Store // each host's old, by its agent's name
	real     [2]backends.Store        // old and new where they are servers
	copies   time.Duration            // how long a copy may take; zero: 1 s
	faults   [2]hook
	hasher   *flags.Hasher
	dirtyMax int // of each agent; zero: the layer's own
	agents   []*testAgent
	m        *Migration
}

// hook is a store's faults, changed while it is used.
type hook struct {
	mu sync.Mutex // guards f
	f  memory.Faults
}

func (h *hook) call(c memory.Call) memory.Fault {
	h.mu.Lock()
	f := h.f
	h.mu.Unlock()
	if f == nil {
		return memory.Fault{}
	}
	return f(c)
}

func (h *hook) set(f memory.Faults) { h.mu.Lock(); h.f = f; h.mu.Unlock() }

func newRig(t testing.TB, agents int, change ...func(*Options)) *rig {
	return newRigOf(&rig{t: t, dir: t.TempDir()}, agents, change...)
}

func newRigOf(r *rig, agents int, change ...func(*Options)) *rig {
	t := r.t
	r.old = memory.New(memory.Options{Migration: migration, Faults: r.faults[0].call})
	r.new = memory.New(memory.Options{Migration: migration, Faults: r.faults[1].call})
	if r.real[0] == nil {
		r.real = [2]backends.Store{r.old, r.new}
	}
	r.hasher, _ = flags.NewHasher(make([]byte, 32))
	for i := range agents {
		a := &testAgent{r: r, name: fmt.Sprintf("web-%d", i+1), digest: "same"}
		r.agents = append(r.agents, a)
		a.run()
		a.server = httptest.NewServer(a.handler())
	}
	t.Cleanup(func() {
		for _, a := range r.agents {
			a.stop()
			a.server.Close()
		}
	})
	r.m = r.migration(change...)
	return r
}

func (r *rig) flagFile() string { return filepath.Join(r.dir, "flags.json") }

func (r *rig) migration(change ...func(*Options)) *Migration {
	o := Options{Migration: migration, Book: bookfiles.New(r.flagFile()), Kinds: phpKinds,
		Digest: func(string) string { return "same" }, Layer: func() (darklaunch.Options, error) { return r.options(""), nil },
		Wait: 30 * time.Second, Grace: 300 * time.Millisecond, Recheck: 20 * time.Millisecond, Batch: 50}
	for _, a := range r.agents {
		o.Agents = append(o.Agents, a.addr())
	}
	for _, c := range change {
		c(&o)
	}
	m, err := New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(m.Close)
	return m
}

func (r *rig) options(host string) darklaunch.Options {
	old := r.real[0]
	if s := r.own[host]; s != nil {
		old = hostOwn{s}
	}
	if r.copies > 0 {
		return realOptions(r.hasher, r.real)
	}
	return darklaunch.Options{Migration: migration, Kinds: phpKinds, Hasher: r.hasher, CopyTimeout: time.Second, DirtyMax: r.dirtyMax,
		// A store in memory answers at once or refuses: what is late is this machine.
		Old: darklaunch.Store{Store: old, Timeout: 5 * time.Second}, New: darklaunch.Store{Store: r.real[1], Timeout: 5 * time.Second},
		BreakerPeriod: 50 * time.Millisecond}
}

// hostOwn is a host's own old.
type hostOwn struct{ *memory.Store }

func (hostOwn) HostScoped() bool { return true }

func (r *rig) ramp(stage string, percent int) {
	r.t.Helper()
	if _, err := r.m.Ramp(context.Background(), stage, percent*100, nil); err != nil {
		r.t.Fatalf("ramp %s %d: %v", stage, percent, err)
	}
}

func (r *rig) backfill() Report {
	r.t.Helper()
	rep, err := r.m.Backfill(context.Background(), nil)
	if err != nil {
		r.t.Fatalf("backfill: %v %+v", err, rep)
	}
	return rep
}

func (r *rig) verify() Report {
	r.t.Helper()
	rep, err := r.m.Verify(context.Background(), nil)
	if err != nil {
		r.t.Fatalf("verify: %v %+v", err, rep)
	}
	return rep
}

// readNew takes all sessions to settled read-new.
func (r *rig) readNew(percent int) {
	r.t.Helper()
	r.ramp("mirror", 100)
	r.backfill()
	r.verify()
	r.ramp("read-new", percent)
}

func (r *rig) def() flags.Definition {
	r.t.Helper()
	cur, err := r.m.read()
	if err != nil {
		r.t.Fatal(err)
	}
	return cur.def
}

func (r *rig) at(want string) {
	r.t.Helper()
	if got := state(r.def()); got != want {
		r.t.Errorf("the ramp is at %q, want %q", got, want)
	}
}

func (r *rig) put(st backends.Store, k backends.Key, data string) {
	r.t.Helper()
	if err := st.Set(context.Background(), backends.Session{Key: k, Data: []byte(data), Deadline: time.Now().Add(30 * time.Minute)}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) both(id, data string) {
	r.put(r.old, ref(id).OldKey(), data)
	r.put(r.new, ref(id).NewKey(), data)
}

func (r *rig) get(st backends.Store, k backends.Key) string {
	r.t.Helper()
	s, found, err := st.Get(context.Background(), k)
	if err != nil {
		r.t.Fatal(err)
	}
	if !found {
		return "(none)"
	}
	return string(s.Data)
}

// refusedBy checks that an error is a refusal of that gate.
func refusedBy(t testing.TB, err error, gate string) *Refusal {
	t.Helper()
	var no *Refusal
	if !errors.As(err, &no) {
		t.Fatalf("got %v, want a refusal by gate %s", err, gate)
	}
	if no.Gate != gate {
		t.Fatalf("refused by %v, want gate %s", no, gate)
	}
	if no.Do == "" || no.Found == "" {
		t.Errorf("the refusal does not say what was found and what to do: %v", no)
	}
	return no
}

func session(data string) backends.Session {
	return backends.Session{Data: []byte(data), Deadline: time.Now().Add(30 * time.Minute)}
}

func lockRef(id string) kinds.Ref {
	r, ok := phpKinds.ResolveString("memc.sess.key.lock." + id)
	if !ok {
		panic(id)
	}
	return r
}

var owner = kinds.Owner{Client: "client"}
