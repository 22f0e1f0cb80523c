package migrate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Plan is what a verb would do.
type Plan struct {
	State string `json:"state"`
	// Text says what would happen besides revisions; empty: nothing.
	Text      string     `json:"text,omitempty"`
	Revisions []Revision `json:"revisions"`
	// Refused is the gate that is shut for the first of them now.
	Refused string `json:"refused,omitempty"`
	// Back is what taking it all back would cost, as far as it is known now.
	Back []string `json:"taking_it_back"`
}

// Revision is one that would be published.
type Revision struct {
	Epoch uint64   `json:"epoch"`
	Text  string   `json:"text"`
	Needs []string `json:"needs"`
}

// PlanRamp says what Ramp would do, and does nothing.
func (m *Migration) PlanRamp(ctx context.Context, stage string, buckets int) (Plan, error) {
	return m.plan(ctx, func(d flags.Definition) (goal, error) { return m.rampGoal(d, stage, buckets) })
}

// PlanRollback says what Rollback would do, and does nothing.
func (m *Migration) PlanRollback(ctx context.Context, to string) (Plan, error) {
	return m.plan(ctx, func(d flags.Definition) (goal, error) { return m.backGoal(d, to) })
}

func (m *Migration) plan(ctx context.Context, to func(flags.Definition) (goal, error)) (p Plan, err error) {
	cur, err := m.read()
	if err != nil {
		return p, err
	}
	g, err := to(cur.def)
	if err != nil {
		return p, err
	}
	p.State = state(cur.def)
	if err := m.allowed(cur, g); err != nil {
		p.Refused = err.Error()
	}
	r, err := m.recorded(cur)
	if err != nil {
		return p, err
	}
	g.viaBack = r.Roamed
	return p, m.planned(ctx, cur, &p, func(d flags.Definition) (flags.Definition, string, bool) {
		if d.Weights[position.Back] > 0 {
			g.viaBack = false // it is being paid
		}
		return g.next(d)
	})
}

// planned fills in the revisions of a way, the gate that is shut for the first of
// them, and what taking it back would cost.
func (m *Migration) planned(ctx context.Context, cur *revision, p *Plan, next func(flags.Definition) (flags.Definition, string, bool)) error {
	r, err := m.recorded(cur)
	if err != nil {
		return err
	}
	replies := m.ask(ctx, r)
	for d := cur.def; ; {
		n, text, more := next(d)
		if !more {
			p.Back = m.cost(ctx, cur, d, replies)
			return nil
		}
		need := needs(d, n, m.env())
		texts := needTexts(need, copiesBack(d))
		if need&rules.NeedReversed != 0 && copiesBack(d) {
			if soaks, err := m.wayBack(ctx); err == nil && soaks > 0 {
				texts = append(texts, fmt.Sprintf("a store cannot list its sessions: %v in back, for what cannot be found", soaks.Round(time.Second)))
			}
		}
		p.Revisions = append(p.Revisions, Revision{Epoch: n.Epoch, Text: text, Needs: texts})
		if no := r.soaking(); no != nil && len(p.Revisions) == 1 && need&rules.NeedReversed != 0 && p.Refused == "" {
			p.Refused = no.Error()
		}
		if len(p.Revisions) == 1 && p.Refused == "" && !slices.ContainsFunc(replies, func(a reply) bool { return a.err != nil }) &&
			!(need&rules.NeedReversed != 0 && copiesBack(d)) {
			if no, err := m.shut(ctx, cur, n, need, replies); err != nil {
				p.Refused = err.Error()
			} else if no != nil {
				p.Refused = no.Error()
			}
		}
		d = n
	}
}
