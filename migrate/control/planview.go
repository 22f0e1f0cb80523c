package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

// show makes what is shown of a look.
func (p *planner) show(pl place, done int, vs []gates.Verdict, j *job, at migrate.Reached, now time.Time) *PlanView {
	v := &PlanView{KeepOld: p.s.o.KeepOld, Name: p.plan.Name, Done: done, Held: pl.Held, Auto: pl.Auto || p.auto, Gates: vs, At: now}
	for _, s := range p.plan.Steps {
		back := "hold"
		if s.Back != "" {
			back = "rollback " + s.Back
		}
		v.Steps = append(v.Steps, StepView{Text: s.String(), Soak: s.Soak, Back: back})
	}
	if at.CutoverSince != nil && p.s.o.KeepOld > 0 {
		left := max(0, time.Until(at.CutoverSince.Add(p.s.o.KeepOld)))
		v.RollbackLeft = &left
	}
	if j == nil && !pl.Since.IsZero() {
		v.Since = &pl.Since
	}
	shut := ""
	for _, g := range vs {
		if g.State != gates.Pass && (shut == "" || gates.IsAlarm(g.Gate) && g.State == gates.Fail) {
			shut = waitsFor(g)
		}
	}
	v.Ready = j == nil && pl.Held == nil && !at.Down && shut == ""
	switch {
	case at.Completed != nil:
		v.Ready, v.Why = false, "nothing: the migration was completed at "+at.Completed.Format(time.DateTime)
	case j != nil:
		v.Why = j.why()
	case pl.Held != nil:
		v.Why = pl.Held.String()
	case at.Down:
		v.Why = "old is declared down: crossfade recover old, once it is back"
	case shut != "":
		v.Why = shut
	case done == len(p.plan.Steps):
		v.Why = "nothing: the plan is done: crossfade complete --dry-run says what ends with it"
	case v.Auto:
		v.Why = "nothing: next is " + p.plan.Steps[done].String()
	default:
		v.Why = "somebody who says crossfade advance: next is " + p.plan.Steps[done].String()
	}
	return v
}

func waitsFor(g gates.Verdict) string {
	if g.Gate == gates.Soak || g.Gate == gates.Fleet {
		text := g.Text
		if g.Gate == gates.Fleet {
			text = "waits for " + text
		} else {
			text = "soak: " + text
		}
		return text
	}
	return fmt.Sprintf("gate %s: %s", g.Gate, g.Text)
}

// Cutover tells whether a step moves sessions to where new alone decides.
func (v *PlanView) Cutover(step int) bool {
	return strings.HasPrefix(v.Steps[step].Text, "ramp cutover")
}

// Window says what becomes of the way back at cutover.
func (v *PlanView) Window() string {
	switch {
	case v.KeepOld == 0:
		return "cutover.keep_old is 0: old is written no more, and going back needs a reverse copy of everything written since"
	case v.RollbackLeft != nil:
		return fmt.Sprintf("old is written for %v more, and going back stays cheap for so long", v.RollbackLeft.Round(time.Second))
	}
	return fmt.Sprintf("from the first session on old is written for %v more: after that, going back needs a reverse copy", v.KeepOld)
}

// why is what a job waits for, or does.
func (j *job) why() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := j.goal.words()
	switch {
	case len(j.last.Waiting) > 0:
		var names []string
		for _, a := range j.last.Waiting {
			names = append(names, a.Name+": "+a.Why)
		}
		return text + ": waits for " + strings.Join(names, "; ")
	case j.last.Total > 0:
		return fmt.Sprintf("%s: %s, %d of %d", text, j.last.Phase, j.last.Done, j.last.Total)
	case j.last.Phase != "":
		return text + ": " + j.last.Phase
	}
	return text + " is under way"
}

// why is the one line that a status has, at all times.
func (s *Server) why(o migrate.Overview) string {
	if v := s.planner.last(); v != nil {
		return v.Why
	}
	if j := s.current(); j != nil {
		return j.why()
	}
	if !s.leads() {
		return "the server that leads: this one does not"
	}
	return o.Why
}

// hold writes a hold down. One that stands stays.
func (s *Server) hold(ctx context.Context, h Hold) (place, error) {
	h.At = time.Now().UTC()
	wrote := false
	p, err := s.changePlace(ctx, func(p *place) bool {
		if p.Held != nil {
			return false
		}
		p.Held, wrote = &h, true
		return true
	})
	if err != nil || !wrote {
		return p, err
	}
	s.log.Warn("the plan is held", "by", h.By, "gate", h.Gate, "why", h.Why)
	return p, s.m.Noted(ctx, "hold", map[string]string{"gate": h.Gate}, h.String())
}

// release ends a hold. Where a gate made it the step soaks anew, and is judged by
// what is seen from now on.
func (s *Server) release(ctx context.Context) (was *Hold, err error) {
	_, err = s.changePlace(ctx, func(p *place) bool {
		if was = p.Held; was == nil {
			return false
		}
		if p.Held = nil; was.By == planBy {
			p.Since = time.Now().UTC()
		}
		return true
	})
	if err != nil || was == nil {
		return was, err
	}
	if was.By == planBy {
		s.planner.witness.begin(time.Now())
	}
	return was, s.m.Noted(ctx, "release", nil, "released: "+was.String())
}

// stands refuses what goes on while a hold stands: every ramp and pin but one back. What
// makes new whole again (backfill, verify, repair) is what a hold waits for.
func (s *Server) stands(ctx context.Context, q Ask) error {
	if q.Verb != "ramp" && q.Verb != "pin" && q.Verb != "unpin" {
		return nil
	}
	p, err := s.loadPlace(ctx)
	if err != nil || p.Held == nil {
		return err
	}
	a, err := readArgs(q.Args)
	if err != nil {
		return err
	}
	if q.Verb != "ramp" {
		h, to, err := a.pinned(q.Verb)
		if err != nil {
			return err
		}
		if up, err := s.m.PinsUp(h, to, q.Verb == "unpin"); err != nil || !up {
			return err
		}
		return p.Held.refusal()
	}
	at, err := s.m.Reached(nil)
	if err != nil {
		return err
	}
	now := map[string]int{position.Mirror.Stage(): at.Mirror, position.ReadNew.Stage(): at.ReadNew, position.Cutover.Stage(): at.Cutover}
	if a.Buckets <= now[a.Stage] {
		return nil
	}
	return p.Held.refusal()
}

// advance is the next step of the plan as it is asked for, once its gates have
// passed.
func (s *Server) advance(ctx context.Context, q Ask) (Ask, error) {
	var a advanceArgs
	if err := json.Unmarshal(q.Args, &a); err != nil {
		return q, errors.New("control: the arguments cannot be read")
	}
	if j := s.current(); j != nil && a.Step < len(s.planner.plan.Steps) && isStep(j, s.planner.plan.Steps[a.Step]) {
		step := ask(s.planner.plan.Steps[a.Step]) // it is joined
		step.Actor = q.Actor
		return step, nil
	}
	v := s.planner.last()
	switch {
	case !s.leads():
		return q, errNotLeading
	case v == nil:
		return q, errors.New("control: the server has just begun to lead: ask again in a moment")
	case v.Done == len(v.Steps):
		return q, &refusal{Gate: migrate.GateOrder, Found: "every step of the plan is done", Do: "crossfade complete --dry-run says what ends with it"}
	case v.Done != a.Step:
		return q, &refusal{Gate: migrate.GateRevision, Found: fmt.Sprintf("%d steps of the plan are done, not %d", v.Done, a.Step), Do: "look at crossfade plan show, then run this again if it is still wanted"}
	case v.Held != nil:
		return q, v.Held.refusal()
	}
	for _, g := range v.Gates {
		if g.State != gates.Pass {
			return q, &refusal{Gate: g.Gate, Found: waitsFor(g), Do: "wait; crossfade ramp goes on without the plan's gates"}
		}
	}
	step := ask(s.planner.plan.Steps[a.Step])
	step.Actor = q.Actor
	return step, nil
}

// advanceArgs say which step is meant: of two who advance at once one is told.
type advanceArgs struct {
	Step int `json:"step"`
}
