package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
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
	faults   [2]hook
	hasher   *flags.Hasher
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

// testAgent is an agent in this process.
type testAgent struct {
	r      *rig
	name   string
	digest string
	began  time.Time
	layer  *darklaunch.Layer
	src    *flags.File
	server *httptest.Server
	api    *agentapi.Handler
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex // guards what follows
	mutate func(*agentapi.Status)
	silent bool

	barriers atomic.Int64 // that it has answered
}

func newRig(t testing.TB, agents int, change ...func(*Options)) *rig {
	r := &rig{t: t, dir: t.TempDir()}
	r.old = memory.New(memory.Options{Migration: migration, Faults: r.faults[0].call})
	r.new = memory.New(memory.Options{Migration: migration, Faults: r.faults[1].call})
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

func (r *rig) migration(change ...func(*Options)) *Migration {
	o := Options{Migration: migration, FlagFile: filepath.Join(r.dir, "flags.json"), Kinds: phpKinds,
		Digest: func(string) string { return "same" }, Layer: func() (darklaunch.Options, error) { return r.options(), nil },
		Wait: 10 * time.Second, Grace: 300 * time.Millisecond, Recheck: 20 * time.Millisecond, Batch: 50}
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

func (r *rig) options() darklaunch.Options {
	return darklaunch.Options{Migration: migration, Kinds: phpKinds, Hasher: r.hasher, CopyTimeout: time.Second,
		Old: darklaunch.Store{Store: r.old, Timeout: 200 * time.Millisecond}, New: darklaunch.Store{Store: r.new, Timeout: 50 * time.Millisecond},
		BreakerPeriod: 50 * time.Millisecond}
}

func (a *testAgent) addr() string { return strings.TrimPrefix(a.server.URL, "http://") }

func (a *testAgent) state() string { return filepath.Join(a.r.dir, a.name) }

func (a *testAgent) run() {
	a.src = flags.NewFile(filepath.Join(a.r.dir, "flags.json"), flags.FileOptions{StateDir: a.state(), Poll: 5 * time.Millisecond, Migration: migration})
	o := a.r.options()
	o.Flags, o.StateDir, o.CompareRatio = a.src, a.state(), 0.5
	o.CompareRecheck = 20 * time.Millisecond
	l, err := darklaunch.New(o)
	if err != nil {
		a.r.t.Fatal(err)
	}
	a.layer, a.began = l, time.Now()
	api := agentapi.New(l, agentapi.Options{Name: a.name, Version: "test", Flags: a.src, Kinds: phpKinds,
		Digest: func(string) string { return a.digest }})
	a.mu.Lock()
	a.api = api
	a.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	a.wg.Go(func() { a.src.Run(ctx) })
	a.wg.Go(func() { l.Run(ctx) })
}

// handler serves whatever life of the agent is running; status may be told
// otherwise, or nothing said.
func (a *testAgent) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		a.mu.Lock()
		mutate, silent, api := a.mutate, a.silent, a.api
		a.mu.Unlock()
		if q.URL.Path == "/v1/barrier" {
			defer a.barriers.Add(1)
		}
		if silent {
			panic(http.ErrAbortHandler)
		}
		if mutate == nil || q.URL.Path != "/v1/status" {
			api.ServeHTTP(w, q)
			return
		}
		rec := httptest.NewRecorder()
		api.ServeHTTP(rec, q)
		var s agentapi.Status
		if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil {
			a.r.t.Error(err)
		}
		mutate(&s)
		json.NewEncoder(w).Encode(s)
	})
}

func (a *testAgent) say(mutate func(*agentapi.Status)) { a.mu.Lock(); a.mutate = mutate; a.mu.Unlock() }

func (a *testAgent) quiet(silent bool) { a.mu.Lock(); a.silent = silent; a.mu.Unlock() }

// stop ends the agent as a signal would.
func (a *testAgent) stop() {
	a.cancel()
	a.wg.Wait()
	a.layer.Close()
}

// restart is a new life; after an unclean end it does not know what the last
// one had not written.
func (a *testAgent) restart(clean bool) {
	a.r.t.Helper()
	a.stop()
	path := filepath.Join(a.state(), "start.json")
	data, err := os.ReadFile(path)
	if err != nil {
		a.r.t.Fatal(err)
	}
	if !strings.Contains(string(data), `"clean":true`) {
		a.r.t.Fatal("the agent did not end cleanly")
	}
	if !clean {
		data = []byte(strings.Replace(string(data), `"clean":true`, `"clean":false`, 1))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			a.r.t.Fatal(err)
		}
	}
	a.run()
}

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

// traffic is clients that write, read, touch and delete sessions of their own,
// through changing agents, and know what they must read.
type traffic struct {
	t      testing.TB
	r      *rig
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex // guards ops and bad
	ops    int
	errs   int
	bad    []string
}

func (r *rig) traffic(clients int) *traffic {
	tr := &traffic{t: r.t, r: r}
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel = cancel
	for c := range clients {
		tr.wg.Go(func() { tr.client(ctx, c) })
	}
	return tr
}

func (tr *traffic) client(ctx context.Context, c int) {
	rnd := rand.New(rand.NewPCG(uint64(c), 7))
	want := map[string]string{} // "": deleted or never there
	sure := map[string]bool{}
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("c%d-%d", c, rnd.IntN(8))
		d := tr.r.agents[rnd.IntN(len(tr.r.agents))].door()
		var err error
		switch rnd.IntN(10) {
		case 0:
			if _, err = d.Delete(ctx, ref(id)); err == nil {
				want[id], sure[id] = "", true
			}
		case 1, 2, 3:
			v := fmt.Sprintf("%d", n)
			if err = d.Set(ctx, ref(id), backends.Session{Data: []byte(v), Deadline: time.Now().Add(20 * time.Minute)}); err == nil {
				want[id], sure[id] = v, true
			}
		case 4:
			_, err = d.Touch(ctx, ref(id), time.Now().Add(time.Duration(15+rnd.IntN(10))*time.Minute))
		default:
			s, found, e := d.Get(ctx, ref(id))
			if err = e; err == nil && sure[id] && (found != (want[id] != "") || found && string(s.Data) != want[id]) {
				tr.note(fmt.Sprintf("client %d read %q %v, want %q, at %s", c, s.Data, found, want[id], state(tr.r.def())))
			}
			tr.count(err)
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			sure[id] = false // it may have arrived
		}
		tr.count(err)
		time.Sleep(time.Millisecond)
	}
}

func (a *testAgent) door() *darklaunch.Door { return a.layer.Door("library") }

func (tr *traffic) note(text string) { tr.mu.Lock(); tr.bad = append(tr.bad, text); tr.mu.Unlock() }

func (tr *traffic) count(err error) {
	tr.mu.Lock()
	tr.ops++
	if err != nil && !errors.Is(err, darklaunch.ErrNotReady) {
		tr.errs++
	}
	tr.mu.Unlock()
}

// end stops the clients: no read may have been wrong.
func (tr *traffic) end() {
	tr.t.Helper()
	tr.cancel()
	tr.wg.Wait()
	for i, b := range tr.bad {
		if i < 5 {
			tr.t.Error(b)
		}
	}
	if tr.ops < 100 {
		tr.t.Errorf("only %d operations: the traffic stood still", tr.ops)
	}
	tr.t.Logf("%d operations, %d errors", tr.ops, tr.errs)
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
