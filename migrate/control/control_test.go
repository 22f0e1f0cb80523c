package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/files"
)

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(&testWriter{t}, nil))
}

type testWriter struct{ t *testing.T }

func (w *testWriter) Write(p []byte) (int, error) {
	if !w.t.Failed() && w.t.Context().Err() == nil {
		w.t.Log(strings.TrimSpace(string(p)))
	}
	return len(p), nil
}

// TestAllTheWay: a fleet that only its agents can dial, moved from off to cutover
// and back by a server.
func TestAllTheWay(t *testing.T) {
	r := newRig(t, 1, "web-1", "web-2", "web-3")
	ctx, c := t.Context(), r.client()
	r.fill(300)
	r.ready(r.agents["web-1"], r.agents["web-2"], r.agents["web-3"])
	r.ramp("mirror", 100)
	if rep, err := c.Backfill(ctx, nil); err != nil || rep.Copied != 300 {
		t.Fatalf("backfill: %+v, %v", rep, err)
	}
	if _, err := c.Ramp(ctx, "read-new", 10_000, nil); gateOf(err) != migrate.GateVerified {
		t.Fatalf("read-new before a verification: got %v, want a refusal by gate verified", err)
	}
	if rep, err := c.Verify(ctx, nil); err != nil || rep.Same < 300 {
		t.Fatalf("verify: %+v, %v", rep, err)
	}
	r.ramp("read-new", 100)
	r.ramp("cutover", 100)
	o, err := c.Overview(ctx)
	if err != nil || !o.Leads || o.Cutover != 10_000 || len(o.Agents) != 3 || o.Goal == nil || o.Goal.Who != "me" || o.Goal.Ended == nil {
		t.Errorf("status: %+v, %v", o, err)
	}
	if p, err := c.PlanRollback(ctx, "read-new"); err != nil || len(p.Revisions) == 0 || len(p.Back) == 0 {
		t.Errorf("dry run: %+v, %v", p, err)
	}
	var told []string
	res, err := c.Rollback(ctx, "off", func(p migrate.Progress) {
		if p.Phase == "published" {
			told = append(told, p.Detail)
		}
	})
	if err != nil || res.State != "off 100 %" || len(told) != len(res.Steps) {
		t.Errorf("rollback: %+v, %v; told %q", res, err, told)
	}
	if data, err := c.Flags(ctx); err != nil || !strings.Contains(string(data), "crossfade-stage") {
		t.Errorf("flags: %.80s, %v", data, err)
	}
}

func gateOf(err error) string {
	var no *migrate.Refusal
	if errors.As(err, &no) {
		return no.Gate
	}
	return ""
}

// TestRoster: a step waits for whoever is in the roster. A connection that breaks
// takes nobody off, a clean end does, and so does forget.
func TestRoster(t *testing.T) {
	r := newRig(t, 1, "web-1", "web-2", "web-3")
	ctx := t.Context()
	r.ready(r.agents["web-1"], r.agents["web-2"], r.agents["web-3"])
	r.ramp("mirror", 50)
	if got := r.names(); !slices.Equal(got, []string{"web-1", "web-2", "web-3"}) {
		t.Fatalf("roster: %q", got)
	}

	r.agents["web-3"].stop(true)
	if got := r.names(); !slices.Equal(got, []string{"web-1", "web-2", "web-3 (away)"}) {
		t.Errorf("after web-3 signed off: %q", got)
	}
	r.ramp("mirror", 60)
	if got := r.names(); !slices.Equal(got, []string{"web-1", "web-2"}) {
		t.Errorf("after the next step: %q", got)
	}
	back := r.agent("web-3", r.agents["web-3"].dir)
	r.until("web-3 to be back", func() bool { return slices.Contains(r.names(), "web-3") })
	r.until("web-3 to be up to date", func() bool { return back.kept.Current().Epoch() == r.agents["web-1"].kept.Current().Epoch() })

	r.agents["web-2"].stop(false) // as a crash
	patience := r.client(func(o *ClientOptions) { o.Wait = 3 * time.Second })
	_, err := patience.Ramp(ctx, "mirror", 7_000, nil)
	var w *migrate.Waiting
	if !errors.As(err, &w) || len(w.Agents) == 0 || w.Agents[0].Name != "web-2" {
		t.Fatalf("a ramp without web-2: got %v, want that it waits for web-2", err)
	}
	if _, err := r.client().Forget(ctx, "web-2", nil); gateOf(err) != GateBusy {
		t.Fatalf("forget while the ramp waits: got %v, want busy", err)
	}
	o, err := r.client().Overview(ctx)
	if err != nil || o.Doing == nil || len(o.Doing.Waiting) == 0 || o.Goal.Ended != nil {
		t.Errorf("status while it waits: %+v, %v", o, err)
	}
	if _, err := patience.Rollback(ctx, "mirror", nil); err == nil {
		t.Error("a rollback without web-2 was acknowledged")
	}
}

// TestForget: forgotten is who is named, and the fleet goes on; what was verified
// counts no more. The agent that runs after all does not get back by its old
// connection.
func TestForget(t *testing.T) {
	r := newRig(t, 1, "web-1", "web-2")
	ctx, c := t.Context(), r.client()
	r.ready(r.agents["web-1"], r.agents["web-2"])
	r.fill(10)
	r.ramp("mirror", 100)
	if _, err := c.Backfill(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Forget(ctx, "web-9", nil); gateOf(err) != "agents" {
		t.Errorf("forget nobody: %v", err)
	}
	before := r.agents["web-1"].kept.Current().Epoch()
	r.agents["web-2"].stop(false)
	began := time.Now()
	if _, err := c.Forget(ctx, "web-2", nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < Gone {
		t.Errorf("forgotten after %v, before who runs after all must have stopped", took)
	}
	if after := r.agents["web-1"].kept.Current().Epoch(); after != before+2 {
		t.Errorf("revision %d after %d, want two more: who is forgotten is two behind", after, before)
	}
	if got := r.names(); !slices.Equal(got, []string{"web-1"}) {
		t.Errorf("roster: %q", got)
	}
	if _, err := c.Ramp(ctx, "read-new", 10_000, nil); gateOf(err) != migrate.GateVerified {
		t.Errorf("read-new after an agent was forgotten: %v, want a refusal by gate verified", err)
	}
}

// TestForgottenElsewhere: an agent that only the other server reaches is
// forgotten, and runs. It either is in the roster again, and steps wait for it, or
// gets nothing more.
func TestForgottenElsewhere(t *testing.T) {
	r := newRig(t, 2, "web-1")
	all := r.servers
	lead := 0
	r.until("a server to lead", func() bool {
		for i, s := range all {
			if s.leads() {
				lead = i
				return true
			}
		}
		return false
	})
	r.servers = []*testServer{all[1-lead]}
	web2 := r.agent("web-2", t.TempDir())
	r.servers = all
	r.ready(r.agents["web-1"], web2)
	r.until("both in the roster", func() bool { return len(r.names()) == 2 })
	epoch := web2.kept.Current().Epoch()
	_, err := r.client(func(o *ClientOptions) { o.Wait = 2 * time.Second }).Forget(t.Context(), "web-2", nil)
	listed := slices.Contains(r.names(), "web-2")
	var w *migrate.Waiting
	switch now := web2.kept.Current().Epoch(); {
	case listed && !errors.As(err, &w):
		t.Errorf("it is in the roster again, out of the leader's reach, and nobody waits for it: %v", err)
	case !listed && now > epoch:
		t.Errorf("it is in no roster, and went from revision %d to %d", epoch, now)
	}
	t.Logf("in the roster again: %v, revision %d", listed, epoch)
}

// TestHundredAgents: a change reaches every agent of a large fleet within a
// second of its publication.
func TestHundredAgents(t *testing.T) {
	var names []string
	n := 100
	if raceEnabled {
		n = 40 // what is measured is left out then, and the detector makes each five times as busy
	}
	for i := range n {
		names = append(names, fmt.Sprintf("web-%03d", i))
	}
	r := newRig(t, 1, names...)
	for _, n := range names {
		r.ready(r.agents[n])
	}
	for _, percent := range []int{10, 20, 30} {
		var published time.Time
		_, err := r.client().Ramp(t.Context(), "mirror", percent*100, func(p migrate.Progress) {
			if p.Phase == "published" {
				published = p.At
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var last time.Duration
		for _, a := range r.agents {
			last = max(last, time.Unix(0, a.took.Load()).Sub(published))
		}
		t.Logf("mirror %d %%: the last of %d agents had it after %v", percent, n, last.Round(time.Millisecond))
		if last > time.Second && !raceEnabled {
			t.Errorf("the last agent had it after %v, want 1 s", last)
		}
	}
}

// TestLives: of two processes under one name only one is waited for. A life that
// has the state folder of the one before takes its place, and the stores list it;
// one that has not stays out, until that one was forgotten.
func TestLives(t *testing.T) {
	r := newRig(t, 1, "web-1", "web-2")
	one := r.agents["web-1"]
	r.ready(one, r.agents["web-2"])
	r.ramp("mirror", 50)
	listed := func(a *testAgent) func() bool {
		return func() bool {
			old, _ := backends.NotesOf(r.old, name)
			top, found := epochs.Highest(epochs.ReadBoth(t.Context(), old, nil, name))
			return found && top.Agents != nil && top.Lists(a.name, []string{a.layer.Status().Start})
		}
	}
	r.until("the stores to list web-1", listed(one))

	one.stop(false) // as a crash
	back := r.agent("web-1", one.dir)
	r.ready(back)
	r.until("the stores to list the life after it", listed(back))
	if listed(one)() {
		t.Error("the stores list the life that is over, too")
	}

	// Cut off, not dead: its connection alone is gone. Another host has its name.
	back.leave()
	twin := r.agent("web-1", t.TempDir())
	time.Sleep(time.Second)
	if twin.kept.Current() != nil || listed(twin)() {
		t.Error("another process took the place of web-1, which may still run")
	}
	patience := r.client(func(o *ClientOptions) { o.Wait = 3 * time.Second })
	var w *migrate.Waiting
	if _, err := patience.Ramp(t.Context(), "mirror", 6_000, nil); !errors.As(err, &w) || len(w.Agents) != 1 || w.Agents[0].Name != "web-1" {
		t.Errorf("a ramp beside another process of that name: %v, want that it waits for web-1", err)
	}
	if _, err := patience.Rollback(t.Context(), "mirror", nil); err == nil {
		t.Error("a rollback without web-1 was acknowledged")
	}
}

// TestUncleanEnd: an agent that leaves something behind does not sign off.
func TestUncleanEnd(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	if said := r.agents["web-1"].signOff(); !strings.HasPrefix(said, "409") {
		t.Errorf("an agent that serves signs off: %q", said)
	}
	if st := (&agentapi.Status{State: agentapi.Stopping}); unfinished(st) != "" {
		t.Errorf("a clean end: %q", unfinished(st))
	}
	st := &agentapi.Status{State: agentapi.Stopping}
	st.DirtyNew, st.UnknownOld, st.Queued = 1, 1, 1
	if got := unfinished(st); !strings.Contains(got, "dirty") || !strings.Contains(got, "unknown") || !strings.Contains(got, "not arrived") {
		t.Errorf("left behind: %q", got)
	}
}

// TestTakeover: the server that leads is ended in the middle of a ramp; the other
// goes on with it, and who asked gets the end from there.
func TestTakeover(t *testing.T) {
	r := newRig(t, 2, "web-1", "web-2")
	ctx := t.Context()
	r.ready(r.agents["web-1"], r.agents["web-2"])
	first := 0
	if !r.servers[0].leads() {
		first = 1
	}
	r.agents["web-2"].stop(false)
	done := make(chan error, 1)
	waiting := make(chan struct{}, 1)
	go func() {
		_, err := r.client().Ramp(ctx, "mirror", 10_000, func(p migrate.Progress) {
			if len(p.Waiting) > 0 {
				select {
				case waiting <- struct{}{}:
				default:
				}
			}
		})
		done <- err
	}()
	<-waiting
	epoch := r.agents["web-1"].kept.Current().Epoch()
	r.servers[first].kill()
	// web-2 is there again, at the server that is left.
	back := r.agent("web-2", r.agents["web-2"].dir)
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the ramp does not end")
	}
	o, err := r.client().Overview(ctx)
	if err != nil || o.Mirror != 10_000 || o.Server != r.servers[1-first].o.Name || o.Goal.Who != "me" {
		t.Errorf("after it: %+v %+v, %v", o.Overview, o.Goal, err)
	}
	if got := back.kept.Current().Epoch(); got < epoch {
		t.Errorf("revision %d, after %d", got, epoch)
	}
}

// TestRollbackOvertakes: what is under way stops for a rollback.
func TestRollbackOvertakes(t *testing.T) {
	r := newRig(t, 1, "web-1", "web-2")
	ctx := t.Context()
	r.ready(r.agents["web-1"], r.agents["web-2"])
	r.ramp("mirror", 100)
	l, err := r.servers[0].b.TryLock(ctx, "copy") // a backfill that waits
	if err != nil || l == nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		first := true
		_, err := r.client().Backfill(ctx, func(p migrate.Progress) {
			if first {
				first = false
				close(started)
			}
		})
		done <- err
	}()
	select {
	case <-started:
		l.Release()
	case err := <-done: // refused at once: somebody copies
		l.Release()
		if gateOf(err) != migrate.GateCopier {
			t.Fatal(err)
		}
		done <- err
	}
	if res, err := r.client().Rollback(ctx, "off", nil); err != nil || res.State != "off 100 %" {
		t.Fatalf("rollback: %+v, %v", res, err)
	}
	<-done
}

// TestOlderAgent: an agent of the version before, which does not know the newer
// questions and answers with fields that this one does not know, is moved as any.
func TestOlderAgent(t *testing.T) {
	r := newRig(t, 1)
	a := r.agentThrough("web-1", t.TempDir(), r.options(), func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			switch q.URL.Path {
			case "/v1/status":
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, q)
				var fields map[string]any
				if err := json.Unmarshal(rec.Body.Bytes(), &fields); err != nil {
					t.Error(err)
				}
				for _, newer := range []string{"notes", "stopped", "tombstones", "bypassed"} {
					delete(fields, newer)
				}
				fields["of_another_version"] = map[string]any{"x": 1}
				json.NewEncoder(w).Encode(fields)
			case "/v1/flags", "/v1/barrier", "/v1/verified", "/v1/marks":
				h.ServeHTTP(w, q)
			default:
				http.NotFound(w, q)
			}
		})
	})
	r.ready(a)
	r.fill(20)
	r.ramp("mirror", 100)
	c := r.client()
	if _, err := c.Backfill(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r.ramp("read-new", 100)
	if o, err := c.Overview(t.Context()); err != nil || o.ReadNew != 10_000 || !o.Agents[0].Acknowledged {
		t.Errorf("status: %+v, %v", o, err)
	}
}

// TestToken: without it nothing is told and nothing moves, and it is not shown.
func TestToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flags.json")
	r := newRigWith(t, func() book.Book { return files.New(path) }, func(o *Options) { o.Token = "s3cret" }, 1)
	for _, path := range []string{"/v1/status", "/v1/flags", "/v1/agents"} {
		p, err := http.Get(r.servers[0].http.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(p.Body)
		p.Body.Close()
		if p.StatusCode != http.StatusUnauthorized || strings.Contains(string(b), "s3cret") {
			t.Errorf("%s: %s %s", path, p.Status, b)
		}
	}
	if _, err := r.client(func(o *ClientOptions) { o.Token = func() (string, error) { return "s3cret", nil } }).Overview(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := r.client().Ramp(ctx, "mirror", 1, nil); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("a ramp without a token: %v", err)
	}
}
