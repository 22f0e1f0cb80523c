package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// PlanRampOn says what RampOn would do, and does nothing.
func (m *Migration) PlanRampOn(ctx context.Context, agents []string, buckets int) (Plan, error) {
	return m.plan(ctx, func(d flags.Definition) (goal, error) { return m.onlyGoal(d, agents, buckets) })
}

// PlanBackfill says what Backfill would do, and does nothing.
func (m *Migration) PlanBackfill(ctx context.Context) (Plan, error) {
	p, err := m.refusable(m.plan(ctx, m.fenceGoal))
	p.Text = "read every session of old" + m.lastTotal(JobBackfill) + ", and copy what new lacks, or holds older, beside the traffic; old is not written"
	p.Back = []string{"nothing: a copy never overwrites a newer write, and crossfade backfill cancel ends it at any moment"}
	return p, err
}

// PlanVerify says what Verify would do with a sample (0: all), and does nothing.
func (m *Migration) PlanVerify(ctx context.Context, sample float64) (Plan, error) {
	p, err := m.refusable(m.plan(ctx, m.fenceGoal))
	if err != nil {
		return p, err
	}
	cur, err := m.read()
	if err == nil && p.Refused == "" && unfenced(cur.def) {
		p.Refused = errUnfenced(cur.def).Error()
	}
	what := "every session"
	if sample > 0 && sample < 1 {
		what = fmt.Sprintf("%.3g %% of the sessions", 100*sample)
	}
	p.Text = "compare " + what + " in both directions" + m.lastTotal(JobVerify) + ", and mend in new what stays different; old is not written"
	p.Back = []string{"nothing: what is mended is made like old, which decides"}
	return p, err
}

// PlanRepair says what Repair would do, and does nothing. Repair itself says more
// without Yes: it looks.
func (m *Migration) PlanRepair(_ context.Context, o RepairOptions) (Plan, error) {
	p, err := m.standing()
	if o.Max <= 0 {
		o.Max = repairMax
	}
	p.Text = "compare both stores and say what a repair would write in new; nothing is written"
	p.Back = []string{"nothing"}
	if o.Yes {
		p.Text = fmt.Sprintf("compare both stores, and make new like old where a difference is confirmed, for at most %d sessions; what is replaced is kept in an undo log", o.Max)
		p.Back = []string{"crossfade repair undo FILE puts back what nobody has written since; then what was verified counts no more"}
	}
	return p, err
}

// PlanDeclareDown says what DeclareDown would do, and does nothing.
func (m *Migration) PlanDeclareDown(ctx context.Context, store string) (p Plan, err error) {
	cur, err := m.read()
	if err != nil {
		return p, err
	}
	p.State = state(cur.def)
	var refused error
	err = m.planned(ctx, cur, &p, func(d flags.Definition) (flags.Definition, string, bool) {
		n, text, ok, err := downNext(d)
		if err != nil && refused == nil {
			refused = err
		}
		return n, text, ok && err == nil
	})
	if store != "old" {
		refused = errDownStore(store)
	}
	if refused != nil {
		p.Refused = refused.Error()
	}
	p.Text = "agents ask old no more: in read-new every write goes to new alone, and new grants the locks"
	p.Back = []string{"crossfade recover old: both are written, new is copied to old and verified, and read-new begins anew through sealed",
		"until then: if new is lost, so is what was written since"}
	return p, err
}

// PlanRecover says what Recover would do, and does nothing.
func (m *Migration) PlanRecover(ctx context.Context, store string) (Plan, error) {
	p, err := m.standing()
	if store != "old" {
		p.Refused = fmt.Errorf("migrate: cannot recover %q: accepted is old", store).Error()
	}
	p.Text = "both stores are written and old is not read; what new holds is copied to old and verified; then read-new begins anew through sealed"
	switch soaks, no := m.wayBack(ctx); {
	case no != nil:
		p.Refused = no.Error()
	case soaks > 0:
		p.Text += fmt.Sprintf(". A store cannot list its sessions: that waits %v, until what was written or deleted in new alone has been written again, or has ended", soaks.Round(time.Minute))
	}
	p.Back = []string{"it can be stopped, and goes on where it was; before it ends, old may be declared down again"}
	return p, err
}

// PlanObserve says what Observe would do, and does nothing.
func (m *Migration) PlanObserve(context.Context) (Plan, error) {
	p, err := m.standing()
	p.Text, p.Back = "watch what clients do through each agent; nothing is written", []string{"nothing"}
	return p, err
}

// PlanUndoRepair says what UndoRepair would do, and does nothing.
func (m *Migration) PlanUndoRepair(context.Context) (Plan, error) {
	p, err := m.standing()
	p.Text = "put back what the repair replaced, where nobody has written since and new is not read"
	p.Back = []string{"crossfade repair again; what was verified counts no more: crossfade backfill, then crossfade verify"}
	return p, err
}

// standing is a plan in which no revision is published.
func (m *Migration) standing() (p Plan, err error) {
	cur, err := m.read()
	if err == nil {
		p.State = state(cur.def)
	}
	return p, err
}

// refusable makes a refusal a part of what a plan says.
func (m *Migration) refusable(p Plan, err error) (Plan, error) {
	var no *Refusal
	if !errors.As(err, &no) {
		return p, err
	}
	p, err = m.standing()
	p.Refused = no.Error()
	return p, err
}

// lastTotal is how many sessions the job went through when it was last run.
func (m *Migration) lastTotal(name string) string {
	s, found, err := m.JobState(name)
	if err != nil || !found || s.Report.Sessions == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d the last time)", s.Report.Sessions)
}

// words of what a completion ends.
func (c Completion) words() string { return "ends " + strings.Join(c.Ends, "; ends ") }

// Plan is a completion as a dry run of any other verb.
func (c Completion) Plan() Plan {
	return Plan{State: c.State, Text: c.words(), Refused: c.Refused,
		Back: []string{"it cannot be taken back: going back is then a migration of its own, from new to old"}}
}
