package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// RollbackViaStore is Rollback with nothing but the stores: the revision that
// counts is the higher of their notes, the next one is published by raising it
// there, and agents acknowledge in notes of their own, step by step. Without a
// roster in the note, the agents of Options.Agents are asked as always.
//
// It goes down from read-new, and from cutover to back: there it stops, since the
// reverse copy needs agents that answer. The flag file is written too where it
// can be, and where it cannot, the next verb that can does it.
//
// Errors as Rollback. No verb that publishes should run beside it: of two that
// raise the same epoch at once one is refused where both reach the same store.
func (m *Migration) RollbackViaStore(ctx context.Context, to string, progress func(Progress)) (res Result, err error) {
	t := tell(progress)
	old, new, ok := m.notes()
	if !ok {
		_, err := m.stores()
		return res, errors.Join(errors.New("migrate: no store can be looked into from here: run this where old and new can be reached"), err)
	}
	var g *goal
	var last *epochs.Note // what was raised here: the store that took it may be gone
	for {
		top, err := m.top(ctx)
		switch {
		case last != nil && (err != nil || top.Epoch < last.Epoch):
			top = *last
		case err != nil:
			return res, err
		}
		snap, err := top.Snapshot()
		if err != nil {
			return res, fmt.Errorf("migrate: %w", err)
		}
		cur := &revision{data: top.Flags, snap: snap, def: snap.Definition()}
		if g == nil {
			first, err := m.backGoal(cur.def, to)
			if err != nil {
				return res, err
			}
			if err := m.allowedVia(cur); err != nil {
				return res, err
			}
			g = &first
		}
		replies, err := m.ackedVia(ctx, cur, top, t)
		if err != nil {
			return res, err
		}
		res.Epoch, res.State, res.Agents = cur.def.Epoch, state(cur.def), len(replies)
		m.bringVia(ctx, top, t)
		n, text, more := g.next(cur.def)
		if !more {
			return res, nil
		}
		if no, err := m.shutVia(ctx, cur, n, replies, top, to, t); err != nil || no != nil {
			if no != nil {
				err = no
			}
			return res, err
		}
		next, err := n.Compile()
		if err == nil {
			err = snap.Next(next)
		}
		if err != nil {
			return res, fmt.Errorf("migrate: revision %d: %w", n.Epoch, err)
		}
		data, err := n.MarshalFlagd()
		if err != nil {
			return res, fmt.Errorf("migrate: revision %d: %w", n.Epoch, err)
		}
		last = &epochs.Note{Migration: m.o.Migration, Flags: data, Epoch: n.Epoch, Agents: nowLiving(top.Agents, replies), At: time.Now().UTC()}
		err = m.raise(ctx, old, new, *last)
		var not *epochs.RaiseError
		switch {
		case errors.Is(err, epochs.ErrHigher):
			return res, refuse(GateRevision, "look at crossfade status, then run this again if it is still wanted", "somebody else has published: %v", err)
		case errors.As(err, &not) && not.Some():
			t.news("epoch", "revision %d: %v: agents read both", n.Epoch, err)
		case err != nil:
			return res, fmt.Errorf("migrate: publish revision %d: %w: see that a store answers, then run this again", n.Epoch, err)
		}
		res.Steps = append(res.Steps, text)
		t.news("published", "revision %d, in the stores: %s", n.Epoch, text)
	}
}

// top is the revision that counts.
func (m *Migration) top(ctx context.Context) (epochs.Note, error) {
	o, n := m.epochs(ctx)
	top, found := epochs.Highest(o, n)
	if found {
		return top, nil
	}
	if err := errors.Join(o.Err, n.Err); err != nil {
		return top, fmt.Errorf("migrate: no store tells the epoch: %w: see that one answers, then run this again", err)
	}
	return top, errors.New("migrate: no epoch stands in either store (evicted, or never published there): run crossfade rollback, which goes by the flag file")
}

// allowedVia refuses what cannot be done by the stores alone.
func (m *Migration) allowedVia(cur *revision) error {
	if d := cur.def.DeclaredDown; d != flags.NoneDown {
		return refuse(GateDown, "bring it back and run crossfade recover old", "a store is declared down (%v)", d)
	}
	if m.hosts() && cur.def.Weights.Ends()[position.ReadNew] > 0 {
		return refuse(GateReversed, "run crossfade rollback on each host", "each host has an old of its own, and what is in read-new has to be copied back on each")
	}
	for h, p := range cur.def.Pins {
		if p == position.Sealed || p == position.Back {
			return refuse(GateOrder, "unpin it", "session %v is pinned at %v", h, p)
		}
	}
	return nil
}

// askVia asks the roster by its notes, or, without one, the agents by HTTP.
func (m *Migration) askVia(ctx context.Context, top epochs.Note) []reply {
	if top.Agents == nil {
		return m.ask(ctx, nil)
	}
	replies := make([]reply, len(top.Agents))
	for i, a := range top.Agents {
		replies[i] = reply{addr: a.Name, known: a.Name, life: a.Start, err: errors.New("its note in the stores does not move on")}
	}
	m.heard(ctx, replies)
	return replies
}

// nowLiving is a roster with the lives that have answered.
func nowLiving(roster []epochs.Life, replies []reply) []epochs.Life {
	roster = slices.Clone(roster)
	for i := range roster {
		for _, a := range replies {
			if a.err == nil && a.addr == roster[i].Name {
				roster[i].Start = a.status.Start
			}
		}
	}
	return roster
}

// ackedVia waits until each agent has acknowledged the revision. What its last
// life left may be out: no record tells, so an agent that is young is waited for.
func (m *Migration) ackedVia(ctx context.Context, cur *revision, top epochs.Note, t *teller) ([]reply, error) {
	if top.Agents == nil && len(m.agents()) == 0 && unsafeAlone(cur.def) {
		return nil, refuse(GateAgents, "name the admin address of every agent in flags.agents", "there is no roster in the stores, and flags.agents is empty: nobody could say that a step was acknowledged")
	}
	deadline := time.Now().Add(m.o.Wait)
	for {
		replies := m.askVia(ctx, top)
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if err := m.config(cur, replies); err != nil {
			return nil, err
		}
		var lagging []Lagging
		detail := ""
		for i := range replies {
			a := &replies[i]
			left := life{Start: a.status.Start}
			if a.status.CleanFrom == "" && len(a.status.Former) > 0 {
				left.Quarantine = max(m.lockTTL(), m.copyMost())
			} else if len(a.status.Former) > 0 {
				left.Quarantine = m.lockTTL()
			}
			if why := lag(cur, a, left, false); why != "" {
				lagging = append(lagging, Lagging{Name: a.name(), Addr: a.addr, Why: why})
				detail += lagging[len(lagging)-1].String() + "; "
			}
		}
		if len(lagging) == 0 {
			return replies, nil
		}
		if !time.Now().Before(deadline) {
			return nil, &Waiting{Epoch: cur.def.Epoch, Agents: lagging}
		}
		t.tell(Progress{Phase: fmt.Sprintf("waiting for revision %d", cur.def.Epoch), Detail: detail,
			Done: int64(len(replies) - len(lagging)), Total: int64(len(replies))})
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// unsafeAlone tells whether a session is where agents have to wait for each other.
func unsafeAlone(d flags.Definition) bool {
	for _, p := range d.Pins {
		if p > position.Mirror {
			return true
		}
	}
	return d.Weights[position.Off]+d.Weights[position.Mirror] < flags.Buckets
}

// shutVia is the first gate that is shut, after the time that passing ones have.
func (m *Migration) shutVia(ctx context.Context, cur *revision, n flags.Definition, replies []reply, top epochs.Note, to string, t *teller) (*Refusal, error) {
	need := needs(cur.def, n, m.env())
	if need&(rules.NeedReversed|rules.NeedVerified) != 0 {
		return refuse(GateReversed, "run crossfade rollback --to "+to+" where the agents' admin ports and the flag file can be reached: it copies back and verifies, and goes on from here",
			"sessions have been in cutover (%s): old lacks writes, and the reverse copy needs agents that answer", state(cur.def)), nil
	}
	deadline := time.Now().Add(m.o.Grace)
	for {
		no, err := m.shutNow(ctx, n, need, replies, nil)
		if err != nil || no == nil || !passes(no) || !time.Now().Before(deadline) {
			return no, err
		}
		t.tell(Progress{Phase: "waiting at gate " + no.Gate, Detail: no.Found})
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
		if replies, err = m.ackedVia(ctx, cur, top, t); err != nil {
			return nil, err
		}
	}
}

// bringVia writes the flag file, as far as that can be done from here.
func (m *Migration) bringVia(ctx context.Context, top epochs.Note, t *teller) {
	if wrote, err := m.bring(ctx, top); err != nil {
		t.tell(Progress{Phase: "the flag file stays as it is", Detail: reason(err)})
	} else if wrote {
		t.news("flag file", "revision %d is written there too", top.Epoch)
	}
}
