package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
	"github.com/seed-41165957/crossfade/migrate/gates"
	"github.com/seed-41165957/crossfade/migrate/plan"
)

// planner judges the step of the plan that stands, while this server leads: it
// holds the plan or takes it back when a gate fails, and takes the next step when
// all have passed and it may.
type planner struct {
	s       *Server
	plan    *plan.Plan
	auto    bool // server.plan_auto
	witness *witness

	// Of the goroutine that looks.
	steady gates.Steady
	faults faults
	begun  string // the goal that the evidence is since

	mu   sync.Mutex // guards view
	view *PlanView  // nil: nothing was looked at yet
}

// PlanView is where the plan stands, as it is shown.
type PlanView struct {
	Name  string     `json:"name,omitempty"` // of the file; empty: the one that is built in
	Steps []StepView `json:"steps"`
	// Done is how many steps have been reached: Steps[Done] is the next one.
	Done  int        `json:"done"`
	Since *time.Time `json:"since,omitempty"` // when the last of them was; nil: one is under way
	Held  *Hold      `json:"held,omitempty"`
	Auto  bool       `json:"auto"`
	// Gates of the step that stands, or is under way. Ready: all have passed.
	Gates []gates.Verdict `json:"gates"`
	Ready bool            `json:"ready"`
	Why   string          `json:"why"`
	At    time.Time       `json:"at"`
	// KeepOld is cutover.keep_old; RollbackLeft how long old is still written:
	// nil before cutover.
	KeepOld      time.Duration  `json:"keep_old_ns"`
	RollbackLeft *time.Duration `json:"rollback_window_ns,omitempty"`
}

// StepView is one step.
type StepView struct {
	Text string        `json:"text"`
	Soak time.Duration `json:"soak_ns"`
	Back string        `json:"on_failure"` // hold, or rollback STAGE
}

func newPlanner(s *Server, p *plan.Plan, auto bool) *planner {
	if p == nil {
		p = plan.Default()
	}
	w := newWitness(p.Window)
	w.tripEvery = s.o.Synthetic
	return &planner{s: s, plan: p, auto: auto, witness: w}
}

// last is what was seen last; nil: nothing was yet, or another server leads.
func (p *planner) last() *PlanView {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.s.leads() || p.view == nil {
		return nil
	}
	v := *p.view
	return &v
}

// said is what the gates say now, for the log; nil: nothing was looked at yet.
func (p *planner) said() (gs []audit.Gate) {
	v := p.last()
	if v == nil {
		return nil
	}
	for _, g := range v.Gates {
		gs = append(gs, audit.Gate{Gate: g.Gate, State: string(g.State), Text: g.Text})
	}
	return gs
}

// run looks again and again while this server leads.
func (p *planner) run(lead context.Context) {
	said := ""
	for lead.Err() == nil {
		began := time.Now()
		if err := p.look(lead); err != nil && lead.Err() == nil && err.Error() != said {
			said = err.Error()
			p.s.log.Warn("the plan cannot be judged", "error", err)
		} else if err == nil {
			said = ""
		}
		sleep(lead, p.s.o.Look-time.Since(began))
	}
	p.mu.Lock()
	p.view = nil
	p.mu.Unlock()
	p.steady.Reset()
	p.faults = faults{} // another server sees them now
}

// current is the job that runs; nil: none does.
func (s *Server) current() *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.job == nil || isDone(s.job.done) {
		return nil
	}
	return s.job
}

// look is one look: at the fleet, at the gates, at what follows.
func (p *planner) look(ctx context.Context) error {
	now := time.Now()
	j := p.s.current()
	pl, err := p.s.loadPlace(ctx)
	if err != nil {
		return err
	}
	seen := &gates.Seen{}
	at, err := p.reached(seen, now)
	if err != nil {
		return err
	}
	done := p.plan.Done(where(at))
	if pl, err = p.settle(ctx, pl, j, done, now); err != nil {
		return err
	}
	p.faults.look(p.witness.stores(now), now, func(f migrate.Fault, outcome string) {
		if err := p.s.m.Befell(ctx, f, outcome); err != nil {
			p.s.log.Error("a fault cannot be written down", "store", f.Store, "what", f.What, "error", err)
		}
	})
	step := p.standing(done, j)
	seen.Base, seen.Since = pl.Base, -1
	if j == nil {
		seen.Since = now.Sub(pl.Since)
	}
	p.logouts(seen)
	vs := gates.Judge(p.limits(step, seen), seen)
	p.steady.Look(vs)
	if at.Mirror > 0 && (pl.Held == nil || pl.Held.Gate == "" && takesBack(step, j)) {
		if failed := p.steady.Failed(vs); len(failed) > 0 {
			if pl, err = p.fail(ctx, step, failed[0]); err != nil {
				return err
			}
		}
	}
	v := p.show(pl, done, vs, j, at, now)
	p.mu.Lock()
	p.view = v
	p.mu.Unlock()
	if v.Ready && v.Auto && p.steady.Passed() && done < len(p.plan.Steps) {
		p.next(ctx, done)
	}
	return nil
}

func where(at migrate.Reached) plan.Where {
	return plan.Where{Mirror: at.Mirror, ReadNew: at.ReadNew, Cutover: at.Cutover, Backfilled: at.Backfilled, Verified: at.Verified}
}

// reached is how far the migration is, with what its agents say.
func (p *planner) reached(seen *gates.Seen, now time.Time) (at migrate.Reached, err error) {
	var roster []string
	for _, c := range p.s.roster.Agents() {
		roster = append(roster, c.Addr())
	}
	// The epoch decides who lags, the agents' lives what counts as verified.
	if at, err = p.s.m.Reached(nil); err != nil {
		return at, err
	}
	starts := p.witness.seen(seen, roster, at.Epoch, now)
	if at, err = p.s.m.Reached(starts); err != nil {
		return at, err
	}
	seen.CopiedKnown, seen.Copied, seen.NotCopied = true, at.Verified || at.ReadNew > 0, at.NotVerified
	return at, nil
}

// settle notes when another step is reached, and begins the evidence anew when
// one begins.
func (p *planner) settle(ctx context.Context, pl place, j *job, done int, now time.Time) (place, error) {
	goal := ""
	if j != nil {
		goal = j.goal.ID
	}
	moved := j == nil && pl.Step != done
	begins := goal != "" && goal != p.begun
	if !moved && !begins {
		return pl, nil
	}
	fresh := begins || p.begun == "" // it moved, and nobody here saw how
	var base gates.Base
	if fresh {
		base = p.witness.begin(now)
		p.steady.Reset()
		p.begun = goal
	}
	if moved {
		p.begun = ""
	}
	return p.s.changePlace(ctx, func(pl *place) bool {
		if fresh && (goal == "" || pl.Goal != goal) { // else another server has begun it
			pl.Base, pl.Goal = base, goal
		}
		if moved {
			pl.Step, pl.Since = done, now.UTC()
		}
		return true
	})
}

// standing is the step by whose gates is judged: the last that was reached, or
// the one that is under way; nil: none was begun.
func (p *planner) standing(done int, j *job) *plan.Step {
	if j != nil && done < len(p.plan.Steps) && isStep(j, p.plan.Steps[done]) {
		return &p.plan.Steps[done]
	}
	if done == 0 {
		return nil
	}
	return &p.plan.Steps[done-1]
}

func isStep(j *job, s plan.Step) bool {
	q := ask(s)
	return j.goal.Verb == q.Verb && sameArgs(j.goal.Args, q.Args)
}

// takesBack tells whether a gate that fails takes sessions back although
// somebody holds: to hold is to go no further, not to stay.
func takesBack(step *plan.Step, j *job) bool {
	return step != nil && step.Back != "" && (j == nil || j.goal.Verb != "rollback")
}

// limits of a step; before the first, agents are all that is looked at.
func (p *planner) limits(step *plan.Step, seen *gates.Seen) gates.Limits {
	if step == nil {
		const off = gates.Off
		return gates.Limits{Logouts: off, Divergence: off, P99: off, Errors: off, Timeouts: off, Marks: off, Synthetic: off, Copied: off, Samples: 0}
	}
	seen.Soak = step.Soak
	l := step.Limits
	if p.witness.tripEvery <= 0 {
		l.Synthetic = gates.Off
	}
	return l
}

// estimateMost is how old an estimate of the would-be logouts may be.
const estimateMost = 30 * time.Second

func (p *planner) logouts(seen *gates.Seen) {
	w, ok := p.s.watcher.Last()
	if !ok || time.Since(w.At) > estimateMost {
		return
	}
	e := w.Logouts
	seen.Logouts = &gates.Estimate{Estimate: e.Estimate, Upper: e.Upper, Silent: e.Silent, Followed: e.Followed, Verified: e.IdleKnown}
}

// fail holds the plan, and takes it back where the step says so.
func (p *planner) fail(ctx context.Context, step *plan.Step, v gates.Verdict) (place, error) {
	h := Hold{By: planBy, Why: v.Text, Gate: v.Gate}
	ctx = migrate.WithActor(ctx, migrate.Actor{Who: planBy, Why: "gate " + v.Gate + ": " + v.Text})
	pl, err := p.s.hold(ctx, h)
	if err != nil || step == nil || step.Back == "" {
		return pl, err
	}
	p.s.log.Warn("a gate failed: the plan is taken back", "gate", v.Gate, "found", v.Text, "to", step.Back)
	args, _ := json.Marshal(verbArgs{To: step.Back})
	q := Ask{Verb: "rollback", Args: args, Actor: migrate.Actor{Who: planBy, Why: "gate " + v.Gate + ": " + v.Text}}
	p.s.wg.Go(func() { // it waits for what it overtakes
		if _, err := p.s.do(ctx, q); err != nil {
			p.s.log.Error("the plan cannot be taken back", "to", step.Back, "error", err)
		}
	})
	return pl, nil
}

// next takes the next step. One that is refused holds the plan: it would be
// refused again.
func (p *planner) next(ctx context.Context, done int) {
	q := ask(p.plan.Steps[done])
	q.Actor = migrate.Actor{Who: planBy, Why: fmt.Sprintf("step %d of %d", done+1, len(p.plan.Steps))}
	j, err := p.s.do(ctx, q)
	if err != nil {
		p.s.log.Warn("the next step of the plan cannot be taken", "step", p.plan.Steps[done].String(), "error", err)
		return
	}
	p.s.wg.Go(func() {
		<-j.done
		if j.err == nil || ctx.Err() != nil || errors.Is(j.err, errOvertaken) {
			return
		}
		h := Hold{By: planBy, Why: p.plan.Steps[done].String() + ": " + j.err.Error()}
		if _, err := p.s.hold(migrate.WithActor(ctx, q.Actor), h); err != nil {
			p.s.log.Error("a hold cannot be written down", "error", err)
		}
	})
}

// ask is a step as it is asked for.
func ask(s plan.Step) Ask {
	if s.Do != "" {
		args, _ := json.Marshal(verbArgs{})
		return Ask{Verb: s.Do, Args: args}
	}
	args, _ := json.Marshal(verbArgs{Stage: s.Ramp, Buckets: s.To})
	return Ask{Verb: "ramp", Args: args}
}
