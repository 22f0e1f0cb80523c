package migrate

import (
	"context"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// TestComplete: refused before all is in cutover; then old is written no more,
// what is Crossfade's own is gone, sessions stay, and there is no way back.
func TestComplete(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2, func(o *Options) { o.KeepOld = true })
	r.both("a", "1")
	r.readNew(100)
	_, err := r.m.Complete(ctx, nil)
	refusedBy(t, err, GateOrder)
	if c, err := r.m.PlanComplete(ctx); err != nil || c.Refused == "" {
		t.Errorf("dry run in read-new: %+v, %v", c, err)
	}
	r.ramp("cutover", 100)
	if _, err := r.new.Bury(ctx, ref("b").NewKey(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := r.old.PutMark(ctx, ref("c").OldKey(), backends.Mark{Agent: "00000000000000af", Write: 1}, time.Minute); err != nil {
		t.Fatal(err)
	}
	plan, err := r.m.PlanComplete(ctx)
	if err != nil || plan.Refused != "" || !plan.KeepOld || plan.New["gone"] != 1 || plan.Old["mark"] != 1 || len(plan.Ends) < 3 {
		t.Fatalf("dry run: %+v, %v", plan, err)
	}
	c, err := r.m.Complete(ctx, nil)
	if err != nil || c.Removed < 2 || c.KeepOld {
		t.Fatalf("complete: %+v, %v", c, err)
	}
	if r.def().KeepOld {
		t.Error("old is still written")
	}
	if got := r.get(r.new, ref("a").NewKey()); got != "1" {
		t.Errorf("new holds %q", got)
	}
	_, err = r.m.Rollback(ctx, "read-new", nil)
	refusedBy(t, err, GateOrder)
	if c, err = r.m.Complete(ctx, nil); err != nil {
		t.Errorf("once more: %+v, %v", c, err)
	}
}
