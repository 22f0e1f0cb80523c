package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// TestThereAndBack is a whole migration there and back, with clients that never
// stop.
func TestThereAndBack(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	for i := range 300 {
		r.put(r.old, ref(fmt.Sprintf("idle%d", i)).OldKey(), "idle")
	}
	r.ramp("mirror", 0) // makes the flag file
	tr := r.traffic(4)
	r.ramp("mirror", 50)
	r.at("mirror 50 %, off 50 %")
	r.ramp("mirror", 100)
	if rep := r.backfill(); rep.Copied < 300 {
		t.Errorf("backfill copied %d sessions, want the 300 idle ones at least", rep.Copied)
	}
	r.at("fenced 100 %")
	r.verify()
	r.ramp("read-new", 20)
	r.at("read-new 20 %, fenced 80 %")
	r.ramp("read-new", 100)
	if d := r.def(); d.Settled != 10_000 {
		t.Errorf("settled %d, want 10000", d.Settled)
	}
	r.ramp("cutover", 30)
	r.at("cutover 30 %, read-new 70 %")
	r.ramp("cutover", 100)
	r.at("cutover 100 %")
	if _, err := r.m.Rollback(ctx, "read-new", nil); err != nil {
		t.Fatal(err)
	}
	r.at("read-new 100 %")
	for i := range 300 {
		if got := r.get(r.old, ref(fmt.Sprintf("idle%d", i)).OldKey()); got != "idle" {
			t.Fatalf("after the rollback old holds %q for idle session %d", got, i)
		}
	}
	res, err := r.m.Rollback(ctx, "off", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.at("off 100 %")
	if want := []string{"unsettle read-new", "100 % of the sessions from read-new to fenced", "100 % of the sessions from fenced to mirror", "100 % of the sessions from mirror to off"}; !slices.Equal(res.Steps, want) {
		t.Errorf("steps down: %q, want %q", res.Steps, want)
	}
	tr.end()
}

// TestKilledBetweenRevisions kills the tool at every revision, once before the
// flag file is written and once right after it, and runs the verb again, with
// clients that never stop.
func TestKilledBetweenRevisions(t *testing.T) {
	r := newRig(t, 2)
	errKilled := errors.New("killed")
	r.ramp("mirror", 0)
	tr := r.traffic(3)
	before, after := map[uint64]bool{}, map[uint64]bool{}
	kills := 0
	run := func(what string, verb func(context.Context, *Migration, func(Progress)) error) {
		t.Helper()
		for range 50 {
			m := r.migration()
			m.crash = func(e uint64) error {
				if before[e] {
					return nil
				}
				before[e] = true
				return errKilled
			}
			ctx, cancel := context.WithCancelCause(context.Background())
			err := verb(ctx, m, func(p Progress) {
				if e := r.def().Epoch; p.Phase == "published" && !after[e] {
					after[e] = true
					cancel(errKilled)
				}
			})
			cancel(nil)
			if errors.Is(err, errKilled) {
				kills++
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			return
		}
		t.Fatalf("%s: killed for ever", what)
	}
	ramp := func(stage string, percent int) {
		t.Helper()
		run(fmt.Sprint("ramp ", stage, percent), func(ctx context.Context, m *Migration, p func(Progress)) error {
			_, err := m.Ramp(ctx, stage, percent*100, p)
			return err
		})
	}
	back := func(to string) {
		t.Helper()
		run("rollback to "+to, func(ctx context.Context, m *Migration, p func(Progress)) error {
			_, err := m.Rollback(ctx, to, p)
			return err
		})
	}
	ramp("mirror", 100)
	run("backfill", func(ctx context.Context, m *Migration, p func(Progress)) error {
		_, err := m.Backfill(ctx, p)
		return err
	})
	run("verify", func(ctx context.Context, m *Migration, p func(Progress)) error {
		_, err := m.Verify(ctx, p)
		return err
	})
	ramp("read-new", 100)
	ramp("cutover", 50)
	ramp("cutover", 20)
	r.at("cutover 20 %, read-new 80 %")
	back("read-new")
	r.at("read-new 100 %")
	back("off")
	r.at("off 100 %")
	if kills < 30 {
		t.Errorf("killed %d times, want at every revision, before and after", kills)
	}
	tr.end()
}

// TestOldDies: old dies in settled read-new, is declared down, comes back empty
// of the last writes, and is made whole.
func TestOldDies(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	r.readNew(100)
	tr := r.traffic(3)
	r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
	if err := r.agents[0].door().Set(ctx, ref("alone"), session("written in new alone")); err != nil {
		t.Fatalf("a write in settled read-new while old is dead: %v", err)
	}
	if _, err := r.m.Ramp(ctx, "cutover", 10_000, nil); err == nil {
		t.Fatal("sealed while old is dead")
	}
	if _, err := r.m.DeclareDown(ctx, "old", nil); err != nil {
		t.Fatal(err)
	}
	if d := r.def(); d.DeclaredDown != flags.OldDownLocks {
		t.Fatalf("declared down: %v, want %v", d.DeclaredDown, flags.OldDownLocks)
	}
	if ok, err := r.agents[1].door().Lock(ctx, lockRef("alone"), kinds.Owner{Client: "x"}, 0); err != nil || !ok {
		t.Errorf("a lock while old is declared down: %v %v", ok, err)
	}
	_, err := r.m.Rollback(ctx, "mirror", nil)
	refusedBy(t, err, GateDown)
	r.faults[0].set(nil)
	if _, err := r.m.Recover(ctx, "old", nil); err != nil {
		t.Fatal(err)
	}
	r.at("read-new 100 %")
	if d := r.def(); d.DeclaredDown != flags.NoneDown || d.Settled != flags.Buckets {
		t.Errorf("after recovery: declared down %v, settled %d", d.DeclaredDown, d.Settled)
	}
	if got := r.get(r.old, ref("alone").OldKey()); got != "written in new alone" {
		t.Errorf("after recovery old holds %q", got)
	}
	if n, err := r.m.count(ctx, 1, backends.BehindKey(migration, "").Name); n != 0 || err != nil {
		t.Errorf("%d records that old is behind stand (%v)", n, err)
	}
	tr.end()
	if _, err := r.m.Rollback(ctx, "mirror", nil); err != nil {
		t.Fatal(err)
	}
}

// TestBehindWithoutDeclaration: old failed for a moment in settled read-new:
// nothing goes down or forward before it was made whole.
func TestBehindWithoutDeclaration(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	r.readNew(100)
	r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
	if err := r.agents[0].door().Set(ctx, ref("alone"), session("alone")); err != nil {
		t.Fatal(err)
	}
	r.faults[0].set(nil)
	for _, to := range []string{"mirror", "off"} {
		if _, err := r.m.Rollback(ctx, to, nil); err == nil {
			t.Fatalf("rolled back to %s while old lacks a write", to)
		}
	}
	if _, err := r.m.Recover(ctx, "old", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.m.Rollback(ctx, "mirror", nil); err != nil {
		t.Fatal(err)
	}
	if got := r.get(r.old, ref("alone").OldKey()); got != "alone" {
		t.Errorf("old holds %q", got)
	}
	if s, found, err := r.agents[0].door().Get(ctx, ref("alone")); err != nil || !found || string(s.Data) != "alone" {
		t.Errorf("the client reads %q %v %v", s.Data, found, err)
	}
}
