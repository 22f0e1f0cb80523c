package migrate

import (
	"context"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
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
