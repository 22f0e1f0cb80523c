package control

import (
	"context"
	"encoding/json"
	"time"
)

const (
	statusEvery = time.Second
	// refreshEvery is how old the numbers of the agents may grow on a page, of
	// which only whether they are zero counts as a change.
	refreshEvery = 30 * time.Second
)

// show looks once a second for all who watch, and tells them what has changed:
// the whole status where its long parts did, else what is short of it.
func (s *Server) show(ctx context.Context) {
	var said, short, counted string
	var at time.Time
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.screens.wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !s.screens.any() {
			said = ""
			continue
		}
		o, err := s.overview(ctx)
		if err != nil {
			continue // what was shown stays, and the page sees that nothing comes
		}
		quiet := calm(o)
		long, rest, counts := essence(o), string(brief(quiet)), string(marshal(quiet.Agents))
		switch {
		case long != said || s.screens.fresh() || counts != counted && time.Since(at) >= refreshEvery:
			said, short, counted, at = long, rest, counts, time.Now()
			s.screens.now(told{status: marshal(o)})
		case rest != short:
			short = rest
			s.screens.now(told{now: brief(o)})
		}
	}
}

// calm is a status without its clocks, which run on without anything having
// changed.
func calm(o Overview) Overview {
	agents := o.Agents
	o.Agents = append(o.Agents[:0:0], agents...)
	for i, a := range o.Agents {
		if a.Status != nil {
			st := *a.Status
			st.Now, st.Uptime, st.FlagsContact, st.Notes = time.Time{}, 0, time.Time{}, nil
			o.Agents[i].Status = &st
		}
	}
	o.Logouts.IdleAge = o.Logouts.IdleAge.Truncate(time.Minute)
	if o.Plan != nil {
		v := *o.Plan
		v.At = time.Time{}
		if v.RollbackLeft != nil {
			left := v.RollbackLeft.Truncate(time.Minute)
			v.RollbackLeft = &left
		}
		o.Plan = &v
	}
	return o
}

// essence is what has to differ for a whole status to be told again: what is
// long. Of what agents count it is whether it is zero, and nothing of what runs
// through them: the points have it.
func essence(o Overview) string {
	o = calm(o)
	for _, a := range o.Agents {
		st := a.Status // calm's own
		if st == nil {
			continue
		}
		for _, n := range []*int64{&st.DirtyNew, &st.DirtyOld, &st.UnknownOld, &st.UnknownNew, &st.Dropped, &st.MarksStanding, &st.MarksLost} {
			*n = min(*n, 1)
		}
		st.Older, st.LocksOut, st.Queued, st.QueuedBytes, st.MirrorLag = 0, 0, 0, 0, 0
		st.MarksPut, st.Recompared, st.Distrusted, st.Tombstones, st.Bypassed = 0, 0, 0, 0, 0
	}
	goal := ""
	if o.Goal != nil {
		goal = o.Goal.ID + o.Goal.Outcome
	}
	var steps []StepView
	if o.Plan != nil {
		steps = o.Plan.Steps
	}
	return string(marshal([]any{o.Epoch, o.Leads, goal, o.Agents, o.Members, o.Pins, steps}))
}

// brief is a status without what is long, as the event now has it.
func brief(o Overview) []byte {
	type none struct{}
	type plan struct {
		PlanView
		Steps *none `json:"steps,omitempty"`
	}
	var short *plan
	if o.Plan != nil {
		short = &plan{PlanView: *o.Plan}
	}
	return marshal(struct {
		Overview
		Agents  *none `json:"agents,omitempty"`
		Members *none `json:"members,omitempty"`
		Pins    *none `json:"pins,omitempty"`
		Plan    *plan `json:"plan,omitempty"`
	}{Overview: o, Plan: short})
}

func marshal(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}
