package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
)

// forget lets both stores lose the epoch.
func (r *rig) forget() {
	r.t.Helper()
	old, new, _ := r.m.notes()
	if err := errors.Join(old.Drop(context.Background(), epochs.Name), new.Drop(context.Background(), epochs.Name)); err != nil {
		r.t.Fatal(err)
	}
}

// note raises what a server would: the revision as it stands, with a roster of
// names, each with a start id behind it or without.
func (r *rig) note(data []byte, roster ...string) {
	r.t.Helper()
	old, new, _ := r.m.notes()
	var lives []epochs.Life
	for _, a := range roster {
		name, start, _ := strings.Cut(a, " ")
		lives = append(lives, epochs.Life{Name: name, Start: start})
	}
	n := epochs.Note{Migration: migration, Flags: data, Agents: lives, At: time.Now().Add(time.Second)}
	if err := epochs.Raise(context.Background(), old, new, n); err != nil {
		r.t.Fatal(err)
	}
}

// stand is the epoch in old and new.
func (r *rig) stand() (old, new uint64) {
	o, n := r.m.epochs(context.Background())
	return o.Note.Epoch, n.Note.Epoch
}

// TestEpochStandsFirst: each revision is in both stores when the flag file has
// it; a store that fails is told and holds nothing up; one that holds a higher
// epoch refuses the step.
func TestEpochStandsFirst(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 1)
	r.ramp("mirror", 10)
	want := func(old, new uint64) {
		t.Helper()
		if o, n := r.stand(); o != old || n != new {
			t.Errorf("old has %d, new %d, want %d and %d", o, n, old, new)
		}
	}
	want(2, 2)
	v, err := r.m.Status(ctx)
	if err != nil || v.EpochOld == nil || v.EpochOld.Epoch != 2 || v.EpochNew.Epoch != 2 {
		t.Errorf("the status has %+v and %+v (%v), want 2", v.EpochOld, v.EpochNew, err)
	}

	r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
	told := ""
	if _, err := r.m.Ramp(ctx, "mirror", 2000, func(p Progress) { told += p.Phase + ": " + p.Detail + "\n" }); err != nil {
		t.Fatalf("a dead new stops a step: %v", err)
	}
	r.faults[1].set(nil)
	want(3, 2)
	if !strings.Contains(told, "does not stand in new") {
		t.Errorf("nobody was told: %s", told)
	}

	// Somebody else has published from a flag file of their own.
	cur := mustRead(t, r)
	n, text, _ := goal{mirror: 3000}.next(cur.def)
	other := n
	other.Weights = cur.def.Weights
	data, err := other.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	r.note(data)
	refusedBy(t, r.m.publish(ctx, cur, n, text, nil, tell(nil)), GateRevision)
	r.at("mirror 20 %, off 80 %")
}

// TestFlagFileFollowsTheStores: a publisher that died between the stores and the
// flag file, and a flag file that an old backup brought back, or that is gone.
func TestFlagFileFollowsTheStores(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 1)
	r.ramp("mirror", 10)
	older := mustRead(t, r).data
	r.ramp("mirror", 20)
	for name, lose := range map[string]func() error{
		"not written": func() error {
			n, _, _ := goal{mirror: 3000}.next(mustRead(t, r).def)
			data, err := n.MarshalFlagd()
			r.note(data)
			return err
		},
		"an older one": func() error { return bookfiles.Replace(r.flagFile(), older) },
		"gone":         func() error { return os.Remove(r.flagFile()) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := lose(); err != nil {
				t.Fatal(err)
			}
			was, _ := r.stand()
			v, err := r.m.Status(ctx)
			if err != nil || v.Epoch >= was || !strings.Contains(strings.Join(v.Waits, "; "), "the stores hold revision") {
				t.Errorf("the status says %v (%v)", v.Waits, err)
			}
			res, err := r.m.Ramp(ctx, "mirror", 4000+int(was)*100, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.Epoch <= was {
				t.Errorf("revision %d was published over %d", res.Epoch, was)
			}
		})
	}
}

// watch lets an agent follow the stores, as the sidecar does.
func (a *testAgent) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	old, new, _ := a.r.m.notes()
	w := epochs.NewWatcher(epochs.WatcherOptions{Kept: a.src.Kept, Migration: migration, Name: a.name, Old: old, New: new})
	w.Speak(epochs.Voice{Start: a.layer.Status().Start, Asked: a.api.Asked, Status: func() ([]byte, error) { return json.Marshal(a.api.Status()) }})
	go func() { w.Run(ctx); close(done) }()
	a.r.t.Cleanup(func() { cancel(); <-done })
}

// TestHeard: an agent whose port is out of reach, and whose note moves on, is
// waited for and heard; one whose note stands still is not.
func TestHeard(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2, func(o *Options) { o.Wait = time.Minute })
	r.readNew(100)
	r.agents[0].watch()
	r.agents[1].quiet(true)
	short := r.migration(func(o *Options) { o.Wait = time.Second })
	var w *Waiting
	if _, err := short.Ramp(ctx, "read-new", 5000, nil); !errors.As(err, &w) || len(w.Agents) != 1 || w.Agents[0].Name != "web-2" {
		t.Fatalf("got %v, want to wait for web-2", err)
	}
	r.agents[1].watch()
	r.note(mustRead(t, r).data, "web-1", "web-2")
	res, err := r.m.Ramp(ctx, "read-new", 5000, nil)
	if err != nil || res.Agents != 2 {
		t.Fatalf("got %+v, %v, want both agents heard", res, err)
	}
}

// TestHeardLives: what another process under an agent's name says in the stores is
// not taken for its word; that of the life after it is.
func TestHeardLives(t *testing.T) {
	r := newRig(t, 1)
	r.ramp("mirror", 50)
	own := r.agents[0].layer.Status().Start
	for _, tt := range []struct {
		name   string
		start  string
		former []string
		want   bool
	}{
		{"the same life", own, nil, true},
		{"the life after it", "00000000000000b1", []string{"00000000000000b0", own}, true},
		{"another of its name", "00000000000000b2", nil, false},
	} {
		replies := []reply{{addr: "web-1", known: "web-1", life: own, err: errors.New("out of reach")}}
		_, new, _ := r.m.notes()
		for seq := range uint64(2) {
			st := agentapi.Status{Agent: "web-1"}
			st.Start, st.Former = tt.start, tt.former
			status, _ := json.Marshal(st)
			data, _ := json.Marshal(epochs.Heard{Version: 1, Start: tt.start, Seq: seq + 1, Status: status})
			if err := new.Write(t.Context(), epochs.AgentName("web-1"), data); err != nil {
				t.Fatal(err)
			}
			r.m.listen(t.Context(), replies)
		}
		if got := replies[0].err == nil; got != tt.want || got && replies[0].status.Start != tt.start {
			t.Errorf("%s: taken for its word %v (%v), want %v", tt.name, got, replies[0].err, tt.want)
		}
	}
}

// TestEars: a number that rises, seen twice within 3 s, and not a moment longer.
func TestEars(t *testing.T) {
	var e ears
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	for i, step := range []struct {
		start string
		seq   uint64
		at    float64
		fresh bool
	}{
		{"a", 5, 0, false},   // for the first time
		{"a", 5, 1, false},   // it stands still
		{"a", 6, 2, true},    // it moves
		{"a", 6, 4, true},    // 2 s ago
		{"a", 6, 5.1, false}, // 3.1 s ago
		{"a", 9, 6, true},
		{"b", 1, 6.5, false}, // another life
		{"b", 2, 7, true},
		{"a", 10, 20, false}, // the look before is too long ago
	} {
		if got := e.hear("web-1", epochs.Heard{Start: step.start, Seq: step.seq}, at(step.at)); got != step.fresh {
			t.Errorf("look %d: fresh %v, want %v", i, got, step.fresh)
		}
	}
}

// TestRollbackViaStore: no flag file, nobody answers, and clients go on.
func TestRollbackViaStore(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2)
	r.readNew(100)
	for _, a := range r.agents {
		a.watch()
		a.quiet(true)
	}
	// Without a roster nobody can say that a step was acknowledged.
	alone := r.migration(func(o *Options) { o.Agents = nil })
	_, err := alone.RollbackViaStore(ctx, "mirror", nil)
	refusedBy(t, err, GateAgents)
	r.note(mustRead(t, r).data, "web-1", "web-2")
	lost, kept := r.flagFile(), r.flagFile()+".kept"
	if err := os.Rename(lost, kept); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(lost, 0o700); err != nil { // no file that can be read
		t.Fatal(err)
	}
	tr := r.traffic(4)
	res, err := alone.RollbackViaStore(ctx, "mirror", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.State != "mirror 100 %" || res.Agents != 2 || len(res.Steps) < 3 {
		t.Errorf("%+v, want mirror 100 %% by unsettling, fenced, mirror", res)
	}
	for _, a := range r.agents {
		if s := a.layer.Status(); s.Epoch != res.Epoch || s.Stopped != "" {
			t.Errorf("%s serves %d (%s), want %d", a.name, s.Epoch, s.Stopped, res.Epoch)
		}
	}
	// The file comes back, older: the next verb brings it on.
	if err := errors.Join(os.Remove(lost), os.Rename(kept, lost)); err != nil {
		t.Fatal(err)
	}
	for _, a := range r.agents {
		a.quiet(false)
	}
	r.ramp("mirror", 50)
	tr.end()
	r.at("mirror 50 %, off 50 %")
}

// TestRollbackViaStoreStopsAtBack: what has been in cutover is copied back by
// agents that answer.
func TestRollbackViaStoreStopsAtBack(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 1)
	r.readNew(100)
	r.ramp("cutover", 100)
	r.agents[0].watch()
	_, err := r.m.RollbackViaStore(ctx, "mirror", nil)
	no := refusedBy(t, err, GateReversed)
	if !strings.Contains(no.Do, "crossfade rollback --to mirror") {
		t.Errorf("it does not say how to go on: %v", no)
	}
	r.at("back 100 %") // the flag file could be written
	if _, err := r.m.Rollback(ctx, "mirror", nil); err != nil {
		t.Errorf("the usual rollback does not go on from there: %v", err)
	}
}
