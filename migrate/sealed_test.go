package migrate

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

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
	if needs(cur.def, n, 0)&rules.NeedReversed == 0 {
		t.Error("back to sealed does not need a reverse copy")
	}
	no, err := r.m.shut(ctx, cur, n, needs(cur.def, n, 0), r.m.ask(ctx, nil))
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
		if time.Since(begin) > 30*time.Second {
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
