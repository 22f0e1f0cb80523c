package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

// plan says what a verb would do, and what would refuse it now. It does nothing.
func (s *Server) plan(ctx context.Context, q Ask) (p migrate.Plan, err error) {
	a, err := readArgs(q.Args)
	if err != nil {
		return p, err
	}
	if err := s.inForce(q.Revision); err != nil {
		return p, err
	}
	if p, err = s.planOf(ctx, q, a); err != nil {
		return p, err
	}
	if p.Refused == "" {
		for _, err := range []error{s.stands(ctx, q), s.busy(q)} {
			var no *refusal
			if errors.As(err, &no) {
				p.Refused = no.Error()
				break
			}
		}
	}
	if p.Revisions == nil {
		p.Revisions = []migrate.Revision{}
	}
	if p.Back == nil {
		p.Back = []string{}
	}
	return p, nil
}

func (s *Server) planOf(ctx context.Context, q Ask, a verbArgs) (p migrate.Plan, err error) {
	switch q.Verb {
	case "ramp":
		if len(a.Agents) > 0 {
			return s.m.PlanRampOn(ctx, a.Agents, a.Buckets)
		}
		return s.m.PlanRamp(ctx, a.Stage, a.Buckets)
	case "rollback":
		return s.m.PlanRollback(ctx, a.To)
	case "advance":
		return s.planAdvance(ctx, q)
	case "backfill":
		return s.m.PlanBackfill(ctx)
	case "verify":
		return s.m.PlanVerify(ctx, a.Sample)
	case "repair":
		var o migrate.RepairOptions
		if a.Repair != nil {
			o = *a.Repair
		}
		return s.m.PlanRepair(ctx, o)
	case "repair-undo":
		return s.m.PlanUndoRepair(ctx)
	case "pin", "unpin":
		h, to, err := a.pinned(q.Verb)
		if err != nil {
			return p, err
		}
		if q.Verb == "pin" {
			return s.m.PlanPin(ctx, h, to)
		}
		return s.m.PlanUnpin(ctx, h)
	case "declare-down":
		return s.m.PlanDeclareDown(ctx, a.Store)
	case "recover":
		return s.m.PlanRecover(ctx, a.Store)
	case "observe":
		return s.m.PlanObserve(ctx)
	case "complete":
		c, err := s.planComplete(ctx)
		return c.Plan(), err
	case "forget":
		return s.planForget(ctx, a.Name)
	case "hold", "release":
		return s.planHold(ctx, q.Verb)
	case jobVerb:
		return s.m.PlanWish(a.Job, a.Wish)
	}
	return p, fmt.Errorf("control: %s has no dry run", q.Verb)
}

// planAdvance is the dry run of the plan's next step.
func (s *Server) planAdvance(ctx context.Context, q Ask) (p migrate.Plan, err error) {
	v := s.planner.last()
	if v == nil {
		return p, errNotLeading
	}
	if v.Done == len(v.Steps) {
		at, err := s.m.Reached(nil)
		return migrate.Plan{State: at.State, Refused: (&refusal{Gate: migrate.GateOrder, Found: "every step of the plan is done", Do: "crossfade complete --dry-run says what ends with it"}).Error()}, err
	}
	step := s.planner.plan.Steps[v.Done]
	if p, err = s.plan(ctx, ask(step)); err != nil {
		return p, err
	}
	p.Text = strings.TrimSuffix(fmt.Sprintf("step %d of %d of the plan, %s: %s", v.Done+1, len(v.Steps), step, p.Text), ": ")
	if v.Cutover(v.Done) {
		p.Back = append(p.Back, v.Window())
	}
	for _, g := range v.Gates {
		if p.Refused == "" && g.State != gates.Pass {
			p.Refused = (&refusal{Gate: g.Gate, Found: waitsFor(g), Do: "wait; crossfade ramp goes on without the plan's gates"}).Error()
		}
	}
	return p, nil
}

func (s *Server) planForget(ctx context.Context, name string) (p migrate.Plan, err error) {
	at, err := s.m.Reached(nil)
	if err != nil {
		return p, err
	}
	p.State = at.State
	p.Text = fmt.Sprintf("agent %s is taken off the roster, and revisions are published in which nothing moves; %v later steps wait for it no more. Should it run after all, it stops", name, Gone)
	p.Back = []string{"start it again: it joins as a new agent", "what was verified counts no more: crossfade backfill, then crossfade verify"}
	members, err := s.roster.load(ctx)
	if err != nil {
		return p, err
	}
	switch st, err := s.roster.client(name).Status(ctx); {
	case members.Agents[name].Name == "":
		p.Refused = (&refusal{Gate: "agents", Found: fmt.Sprintf("no agent %q is in the roster", name), Do: "see crossfade agents list"}).Error()
	case err == nil && st.Stopped == "":
		p.Refused = (&refusal{Gate: "agents", Found: fmt.Sprintf("agent %s answers", name), Do: "stop it: it signs off by itself"}).Error()
	}
	return p, nil
}

func (s *Server) planHold(ctx context.Context, verb string) (p migrate.Plan, err error) {
	at, err := s.m.Reached(nil)
	if err != nil {
		return p, err
	}
	pl, err := s.loadPlace(ctx)
	if err != nil {
		return p, err
	}
	p.State = at.State
	if verb == "hold" {
		p.Text = "no ramp goes up, and no step of the plan follows, whoever asks; a ramp down, a rollback, backfill, verify and repair are never held"
		p.Back = []string{"crossfade release"}
		if pl.Held != nil {
			p.Refused = pl.Held.refusal().Error()
		}
		return p, nil
	}
	p.Text, p.Back = "ramps may go up again", []string{"crossfade hold"}
	switch {
	case pl.Held == nil:
		p.Refused = (&refusal{Gate: GateHeld, Found: "nobody holds", Do: "crossfade status says what it waits for"}).Error()
	case pl.Held.By == planBy:
		p.Text += "; the step soaks anew, and is judged by what is seen from then on (" + pl.Held.String() + ")"
	default:
		p.Text += " (" + pl.Held.String() + ")"
	}
	return p, nil
}

// busy refuses what another thing that is under way stands in the way of.
func (s *Server) busy(q Ask) error {
	j := s.current()
	if j == nil || q.Verb == "hold" || q.Verb == "release" || q.Verb == jobVerb || q.Verb == "advance" || j.goal.ID == firstGoal ||
		q.Verb == "rollback" && j.goal.Verb != "rollback" || j.goal.Verb == q.Verb && sameArgs(j.goal.Args, q.Args) {
		return nil
	}
	return j.inTheWay()
}
