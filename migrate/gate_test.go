package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// TestGates shuts each gate, sees the step refused and nothing published, opens
// it, and sees the step go through.
func TestGates(t *testing.T) {
	ctx := context.Background()
	says := func(change func(*agentapi.Status)) func(*rig) func() {
		return func(r *rig) func() {
			r.agents[0].say(change)
			return func() { r.agents[0].say(nil) }
		}
	}
	mark := func(agent string) func(*rig) func() {
		return func(r *rig) func() {
			m := backends.Mark{Agent: agent, Write: 1}
			k := ref("marked").OldKey()
			if err := r.old.PutMark(ctx, k, m, time.Minute); err != nil {
				r.t.Fatal(err)
			}
			return func() { r.old.DropMarks(ctx, k, []backends.Mark{m}) }
		}
	}
	record := func(r *rig) func() {
		k := backends.BehindKey(migration, "00000000000000af")
		r.put(r.new, k, "x")
		return func() { r.new.Delete(ctx, k) }
	}
	copying := func(r *rig) func() {
		l, err := r.migration().take(ctx, "backfill")
		if err != nil {
			r.t.Fatal(err)
		}
		return func() { l.release(true) }
	}
	other := func(r *rig) func() {
		r.agents[0].say(func(s *agentapi.Status) { s.Digest = "other" })
		return func() { r.agents[0].say(nil) }
	}
	fenced := func(r *rig) { r.ramp("mirror", 100); r.backfill(); r.verify() }
	readNew := func(r *rig) { r.readNew(100) }
	up := func(r *rig) error { _, err := r.m.Ramp(ctx, "read-new", 500, nil); return err }
	seal := func(r *rig) error { _, err := r.m.Ramp(ctx, "cutover", 500, nil); return err }
	down := func(r *rig) error { _, err := r.m.Rollback(ctx, "mirror", nil); return err }
	tests := []struct {
		name  string
		stand func(*rig)
		shut  func(*rig) (open func())
		step  func(*rig) error
		gate  string
	}{
		{"no verification", func(r *rig) { r.ramp("mirror", 100); r.backfill() }, func(r *rig) func() { return func() { r.verify() } }, up, GateVerified},
		{"calls of unknown outcome", fenced, says(func(s *agentapi.Status) { s.UnknownNew = 1 }), up, GateUnknown},
		{"dirty in new", fenced, says(func(s *agentapi.Status) { s.DirtyNew = 3 }), up, GateCleanNew},
		{"all dirty in new", fenced, says(func(s *agentapi.Status) { s.AllDirtyNew = true }), up, GateCleanNew},
		{"a mark of a dead agent", fenced, mark("00000000000000af"), up, GateCleanNew},
		{"a copier", fenced, copying, up, GateCopier},
		{"another configuration", fenced, other, up, GateDigest},
		{"sealing: dirty in old", readNew, says(func(s *agentapi.Status) { s.DirtyOld = 1 }), seal, GateCleanOld},
		{"sealing: dirty in new", readNew, says(func(s *agentapi.Status) { s.DirtyNew = 1 }), seal, GateCleanNew},
		{"sealing: a mark", readNew, mark("00000000000000af"), seal, GateCleanNew},
		{"sealing: old is behind", readNew, says(func(s *agentapi.Status) { s.Behind = true }), seal, GateBehind},
		{"sealing: a record in new", readNew, record, seal, GateBehind},
		{"sealing: a copier", readNew, copying, seal, GateCopier},
		{"down: dirty in old", readNew, says(func(s *agentapi.Status) { s.AllDirtyOld = true }), down, GateCleanOld},
		{"down: old is behind", readNew, says(func(s *agentapi.Status) { s.Behind = true }), down, GateBehind},
		{"down: a record in new", readNew, record, down, GateBehind},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 2)
			tt.stand(r)
			before := r.def().Weights
			open := tt.shut(r)
			refusedBy(t, tt.step(r), tt.gate)
			if r.def().Weights != before {
				t.Errorf("refused, and yet at %s", state(r.def()))
			}
			open()
			if err := tt.step(r); err != nil {
				t.Errorf("the gate is open, and the step was refused: %v", err)
			}
			if r.def().Weights == before {
				t.Error("the step did nothing")
			}
		})
	}
}

var errStop = errors.New("stopped")

// stopAt stops a step once some session is at p.
func (r *rig) stopAt(p position.Position, step func(*rig) error) {
	r.t.Helper()
	whole := r.m
	r.m = r.migration()
	r.m.crash = func(uint64) error {
		if r.def().Weights[p] > 0 {
			return errStop
		}
		return nil
	}
	if err := step(r); !errors.Is(err, errStop) {
		r.t.Fatalf("not stopped at %v: %v", p, err)
	}
	r.m = whole
}

// TestReversedGate: nobody leaves back before old was made whole.
func TestReversedGate(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	r.readNew(100)
	r.ramp("cutover", 100)
	back := func(r *rig) error { _, err := r.m.Rollback(ctx, "read-new", nil); return err }
	if err := r.agents[0].door().Set(ctx, ref("late"), session("late")); err != nil {
		t.Fatal(err)
	}
	// Stopped in back, before the copy.
	r.m.crash = func(e uint64) error {
		if r.def().Weights[position.Back] > 0 {
			return errStop
		}
		return nil
	}
	if err := back(r); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	r.m.crash = nil
	if _, err := r.m.change(ctx, func(_ *revision, rec *record) error { rec.Reversed = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	cur, _ := r.m.read()
	n, _, ok := goal{mirror: flags.Buckets, fence: flags.Buckets, readNew: flags.Buckets}.next(cur.def)
	if !ok || n.Weights[position.Sealed] == 0 {
		t.Fatalf("what follows back is %s", state(n))
	}
	if needs(cur.def, n)&rules.NeedReversed == 0 {
		t.Error("back to sealed does not need a reverse copy")
	}
	no, err := r.m.shut(ctx, cur, n, needs(cur.def, n), r.m.ask(ctx, nil))
	if err != nil || no == nil || no.Gate != GateReversed {
		t.Fatalf("got %v %v, want a refusal by gate %s", no, err, GateReversed)
	}
	if err := back(r); err != nil {
		t.Fatal(err)
	}
	if got := r.get(r.old, ref("late").OldKey()); got != "late" {
		t.Errorf("old holds %q", got)
	}
	r.at("read-new 100 %")
}

// TestAgentsStopAStep: an agent that does not answer, that has another
// configuration, or that still waits stops the step by its name; then the same
// call goes on.
func TestAgentsStopAStep(t *testing.T) {
	ctx := context.Background()
	short := func(o *Options) { o.Wait = 150 * time.Millisecond }
	tests := []struct {
		name string
		stop func(*rig) (mend func())
		want string
	}{
		{"does not answer", func(r *rig) func() {
			r.agents[1].quiet(true)
			return func() { r.agents[1].quiet(false) }
		}, "does not answer"},
		{"has not taken it", func(r *rig) func() {
			r.agents[1].say(func(s *agentapi.Status) { s.Epoch--; s.FlagsError = "the file cannot be read" })
			return func() { r.agents[1].say(nil) }
		}, "the file cannot be read"},
		{"has a lock out", func(r *rig) func() {
			r.agents[1].say(func(s *agentapi.Status) { s.Acknowledged = false; s.Waiting = []string{"1 locks granted"} })
			return func() { r.agents[1].say(nil) }
		}, "1 locks granted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2, short)
			r.ramp("mirror", 10)
			mend := tt.stop(r)
			before := r.def().Epoch
			_, err := r.m.Ramp(ctx, "mirror", 2000, nil)
			var w *Waiting
			if !errors.As(err, &w) || len(w.Agents) != 1 || w.Agents[0].Name != "web-2" || !strings.Contains(w.Agents[0].Why, tt.want) {
				t.Fatalf("got %v, want web-2 waited for: %s", err, tt.want)
			}
			if r.def().Epoch != before {
				t.Error("a revision was published over an agent that has not acknowledged the last")
			}
			mend()
			r.ramp("mirror", 20)
			r.at("mirror 20 %, off 80 %")
		})
	}
	t.Run("a lock that is really out", func(t *testing.T) {
		r := newRig(t, 2, func(o *Options) { o.Wait = 100 * time.Millisecond })
		r.ramp("mirror", 10)
		if ok, err := r.agents[1].door().Lock(ctx, lockRef("x"), owner, 0); !ok || err != nil {
			t.Fatal(ok, err)
		}
		_, err := r.m.Ramp(ctx, "mirror", 2000, nil)
		var w *Waiting
		if !errors.As(err, &w) || !strings.Contains(err.Error(), "web-2") || !strings.Contains(err.Error(), "lock") {
			t.Fatalf("got %v, want web-2 waited for: a lock", err)
		}
		r.m.o.Wait = 5 * time.Second
		r.ramp("mirror", 20)
	})
	t.Run("one agent twice", func(t *testing.T) {
		r := newRig(t, 1)
		m := r.migration(func(o *Options) {
			o.Agents = append(o.Agents, strings.Replace(o.Agents[0], "127.0.0.1", "localhost", 1))
		})
		_, err := m.Ramp(ctx, "mirror", 100, nil)
		refusedBy(t, err, GateAgents)
	})
	t.Run("no agents", func(t *testing.T) {
		r := newRig(t, 0)
		r.ramp("mirror", 100)
		_, err := r.m.Backfill(ctx, nil)
		refusedBy(t, err, GateAgents)
		if _, err := r.m.Rollback(ctx, "off", nil); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOrder: steps that need another one first say which.
func TestOrder(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	ramp := func(stage string, percent int) error {
		_, err := r.m.Ramp(ctx, stage, percent*100, nil)
		return err
	}
	r.ramp("mirror", 50)
	refusedBy(t, ramp("read-new", 10), GateOrder)
	_, err := r.m.Backfill(ctx, nil)
	refusedBy(t, err, GateOrder)
	_, err = r.m.Verify(ctx, nil)
	refusedBy(t, err, GateOrder)
	r.readNew(50)
	refusedBy(t, ramp("mirror", 50), GateOrder)
	refusedBy(t, ramp("cutover", 60), GateOrder)
	r.ramp("cutover", 20)
	refusedBy(t, ramp("read-new", 10), GateOrder)
	r.at("cutover 20 %, read-new 30 %, fenced 50 %")
}

// TestTwoOperators: of two who move at once, one is refused, and what stands is
// what one of them wanted.
func TestTwoOperators(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	r.readNew(10)
	cur, _ := r.m.read()
	n, text, _ := goal{mirror: flags.Buckets, fence: flags.Buckets, readNew: 3000}.next(cur.def)
	if _, err := r.migration().Ramp(ctx, "read-new", 2000, nil); err != nil {
		t.Fatal(err)
	}
	refusedBy(t, r.m.publish(ctx, cur, n, text, nil), GateRevision)
	r.at("read-new 20 %, fenced 80 %")
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = r.migration().Ramp(ctx, "read-new", 3000+1000*i, nil) })
	}
	wg.Wait()
	ok := 0
	for _, err := range errs {
		if err == nil {
			ok++
			continue
		}
		refusedBy(t, err, GateRevision)
	}
	if ok == 0 {
		t.Log("all four were in each other's way: allowed, and nothing is half-done")
	}
	r.ramp("read-new", 50)
	r.at("read-new 50 %, fenced 50 %")
}

// TestVerificationEnds: what makes a verification worthless.
func TestVerificationEnds(t *testing.T) {
	ctx := context.Background()
	tests := []struct {
		name string
		do   func(*rig)
		good bool
	}{
		{"nothing", func(*rig) {}, true},
		{"a clean restart", func(r *rig) { r.agents[0].restart(true); r.ramp("read-new", 0); r.agents[0].restart(true) }, true},
		{"an agent that died", func(r *rig) { r.agents[0].restart(false) }, false},
		{"an agent that died, then ended cleanly", func(r *rig) { r.agents[0].restart(false); r.agents[0].restart(true) }, false},
		{"down to mirror and up again", func(r *rig) {
			if _, err := r.m.Rollback(ctx, "mirror", nil); err != nil {
				r.t.Fatal(err)
			}
		}, false},
		{"mirror below 100 % and up again", func(r *rig) { r.ramp("mirror", 99); r.ramp("mirror", 100) }, false},
		{"a backfill after it, too", func(r *rig) { r.backfill() }, true},
		{"somebody else's change of the file", func(r *rig) {
			cur, _ := r.m.read()
			d := finish(cur.def, cur.def)
			data, err := d.MarshalFlagd()
			if err != nil {
				r.t.Fatal(err)
			}
			save(r.m.o.FlagFile, data)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 2)
			r.ramp("mirror", 100)
			r.backfill()
			r.verify()
			tt.do(r)
			_, err := r.m.Ramp(ctx, "read-new", 100, nil)
			if tt.good {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			refusedBy(t, err, GateVerified)
			r.backfill()
			r.verify()
			r.ramp("read-new", 1)
		})
	}
}

// TestSealedIsTakenBack: where cutover may not follow, the cohort does not stay
// sealed.
func TestSealedIsTakenBack(t *testing.T) {
	ctx := context.Background()
	seal := func(r *rig) error { _, err := r.m.Ramp(ctx, "cutover", 500, nil); return err }
	r := newRig(t, 2)
	r.readNew(100)
	r.stopAt(position.Sealed, seal)
	m := backends.Mark{Agent: "00000000000000af", Write: 1}
	if err := r.old.PutMark(ctx, ref("marked").OldKey(), m, time.Minute); err != nil {
		t.Fatal(err)
	}
	refusedBy(t, seal(r), GateCleanNew)
	r.at("read-new 100 %")
	if d := r.def(); d.Settled != flags.Buckets {
		t.Errorf("settled %d, want all again", d.Settled)
	}
	r.old.DropMarks(ctx, ref("marked").OldKey(), []backends.Mark{m})
	// Old does not answer when it is asked for marks: the same.
	r.stopAt(position.Sealed, seal)
	r.faults[0].set(func(c memory.Call) memory.Fault {
		if c.Op == memory.OpScan {
			return memory.Fault{Kind: memory.NotApplied}
		}
		return memory.Fault{}
	})
	if err := seal(r); err == nil {
		t.Error("cutover although marks could not be looked for")
	}
	r.at("read-new 100 %")
	r.faults[0].set(nil)
	if err := seal(r); err != nil {
		t.Fatal(err)
	}
	r.at("cutover 5 %, read-new 95 %")
}

// TestForgottenAgent: an agent that is taken out of the list is waited for, as
// long as what it left may be out; what was verified with it counts no more.
func TestForgottenAgent(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2)
	r.ramp("mirror", 100)
	r.backfill()
	r.verify()
	r.agents[1].stop()
	gone := r.agents[1]
	r.agents = r.agents[:1]
	t.Cleanup(gone.server.Close)
	r.m = r.migration(func(o *Options) { o.Wait = 50 * time.Millisecond })
	_, err := r.m.Ramp(ctx, "read-new", 100, nil)
	var w *Waiting
	if !errors.As(err, &w) || w.Agents[0].Name != "web-2" {
		t.Fatalf("got %v, want web-2 waited for", err)
	}
	r.m.o.Wait = 5 * time.Second
	_, err = r.m.Ramp(ctx, "read-new", 100, nil)
	refusedBy(t, err, GateVerified)
	r.verify()
	r.ramp("read-new", 1)
}

// TestRestartedAgent: what the last life of an agent granted or copied may be
// out for a while, so that its acknowledgement counts later.
func TestRestartedAgent(t *testing.T) {
	ctx := context.Background()
	for _, clean := range []bool{true, false} {
		r := newRig(t, 2)
		r.ramp("mirror", 10)
		r.agents[0].restart(clean)
		r.m.o.Wait = 100 * time.Millisecond
		_, err := r.m.Ramp(ctx, "mirror", 2000, nil)
		var w *Waiting
		if !errors.As(err, &w) || w.Agents[0].Name != "web-1" || !strings.Contains(err.Error(), "started anew") {
			t.Fatalf("clean %v: got %v, want web-1 waited for", clean, err)
		}
		r.m.o.Wait = 5 * time.Second
		r.ramp("mirror", 20)
		if up := time.Since(r.agents[0].began); !clean && up < time.Second {
			t.Errorf("acknowledged %v after its start: copies of its last life may run for a second", up)
		}
	}
}

// TestDirtyInOld: what agents could not write to old in cutover is copied there
// by themselves when the sessions are taken back.
func TestDirtyInOld(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2, func(o *Options) { o.KeepOld = true })
	r.readNew(100)
	r.ramp("cutover", 100)
	r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
	for i := range 20 {
		if err := r.agents[i%2].door().Set(ctx, ref(fmt.Sprintf("s%d", i)), session("late")); err != nil {
			t.Fatal(err)
		}
	}
	dirty := func() (n int64) {
		for _, a := range r.agents {
			n += a.layer.Status().DirtyOld
		}
		return n
	}
	for begin := time.Now(); dirty() < 20; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			t.Fatalf("%d sessions are dirty in old, want 20", dirty())
		}
	}
	r.faults[0].set(nil)
	if _, err := r.m.Rollback(ctx, "read-new", nil); err != nil {
		t.Fatal(err)
	}
	if n := dirty(); n != 0 {
		t.Errorf("%d sessions are still dirty in old", n)
	}
	for i := range 20 {
		if got := r.get(r.old, ref(fmt.Sprintf("s%d", i)).OldKey()); got != "late" {
			t.Errorf("old holds %q", got)
		}
	}
}

// TestBackAgain: sessions on their way back are sealed when an agent dies, or
// when old turns out to lack a write: they are made whole once more.
func TestBackAgain(t *testing.T) {
	ctx := context.Background()
	for name, happens := range map[string]func(*rig){
		"an agent dies": func(r *rig) { r.agents[0].restart(false) },
		"dirty in old": func(r *rig) {
			r.agents[0].say(func(s *agentapi.Status) {
				if r.def().Weights[position.Sealed] > 0 && r.agents[0].barriers.Load() < 4 {
					s.DirtyOld = 1
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 2)
			r.readNew(100)
			tr := r.traffic(2)
			r.ramp("cutover", 100)
			back := func(r *rig) error { _, err := r.m.Rollback(ctx, "read-new", nil); return err }
			r.stopAt(position.Sealed, back)
			tr.end()
			happens(r)
			if err := back(r); err != nil {
				t.Fatal(err)
			}
			r.at("read-new 100 %")
			if rec, _ := r.m.recorded(mustRead(t, r)); rec.Owed != 0 {
				t.Errorf("old is still owed a copy since %d", rec.Owed)
			}
			r.ramp("read-new", 0)
		})
	}
}
