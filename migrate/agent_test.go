package migrate

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

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

func (a *testAgent) addr() string { return strings.TrimPrefix(a.server.URL, "http://") }

func (a *testAgent) state() string { return filepath.Join(a.r.dir, a.name) }

func (a *testAgent) run() {
	a.src = flags.NewFile(filepath.Join(a.r.dir, "flags.json"), flags.FileOptions{StateDir: a.state(), Poll: 5 * time.Millisecond, Migration: migration, Agent: a.name})
	o := a.r.options(a.name)
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
	if clean && !strings.Contains(string(data), `"clean":true`) {
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

func (a *testAgent) door() *darklaunch.Door { return a.layer.Door("library") }
