package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Result is what a verb did.
type Result struct {
	Epoch  uint64   `json:"epoch"` // acknowledged by every agent
	State  string   `json:"state"`
	Steps  []string `json:"steps"` // revisions that were published
	Agents int      `json:"agents"`

	refusedAt *revision // where the gate of the next revision was shut
}

// Ramp takes a stage (mirror, read-new or cutover) to so many of the 10,000
// buckets, up or down, through the positions between, and returns when every
// agent has acknowledged. Errors: *Refusal, *Waiting, or another.
func (m *Migration) Ramp(ctx context.Context, stage string, buckets int, progress func(Progress)) (Result, error) {
	return m.reach(ctx, func(d flags.Definition) (goal, error) { return m.rampGoal(d, stage, buckets) }, progress)
}

// RampOn is Ramp of mirror on some agents alone, named in flags or roster: a
// first host. All others leave those sessions off. It stands until mirror is
// ramped without names, which whatever goes further needs.
func (m *Migration) RampOn(ctx context.Context, agents []string, buckets int, progress func(Progress)) (Result, error) {
	agents = slices.Compact(slices.Sorted(slices.Values(agents)))
	var known []string
	for _, a := range m.ask(ctx, nil) {
		known = append(known, a.name())
	}
	for _, name := range agents {
		if !slices.Contains(known, name) {
			return Result{}, refuse(GateAgents, "name agents as crossfade status does", "no agent %q answers: there are %s", name, strings.Join(known, ", "))
		}
	}
	return m.reach(ctx, func(d flags.Definition) (goal, error) { return m.onlyGoal(d, agents, buckets) }, progress)
}

func (m *Migration) onlyGoal(d flags.Definition, agents []string, buckets int) (goal, error) {
	if d.Weights[position.Off]+d.Weights[position.Mirror] < flags.Buckets {
		return goal{}, refuse(GateOrder, "take it down first: crossfade rollback --to mirror", "sessions are further than mirror (%s): from there on all agents go together", state(d))
	}
	g, err := m.rampGoal(d, "mirror", buckets)
	g.only = agents
	return g, err
}

// Rollback takes all sessions back to a stage: read-new, mirror or off.
func (m *Migration) Rollback(ctx context.Context, to string, progress func(Progress)) (Result, error) {
	return m.reach(ctx, func(d flags.Definition) (goal, error) { return m.backGoal(d, to) }, progress)
}

func (m *Migration) rampGoal(d flags.Definition, stage string, buckets int) (goal, error) {
	ends := d.Weights.Ends()
	mirror, fence, read, cut := ends[position.Mirror], ends[position.Fenced], ends[position.ReadNew], d.Weights[position.Cutover]
	if buckets < 0 || buckets > flags.Buckets {
		return goal{}, fmt.Errorf("migrate: %d of 10000 buckets: accepted are 0 to 10000", buckets)
	}
	g := goal{mirror: mirror, fence: flags.Buckets, readNew: read, cutover: cut, keepOld: m.o.KeepOld}
	switch stage {
	case "mirror":
		if read > 0 {
			return g, refuse(GateOrder, "take it down first: crossfade ramp read-new 0", "read-new is at %s, and needs all sessions in mirror", share(read))
		}
		g.mirror, g.fence = buckets, min(fence, buckets)
	case "read-new":
		if buckets < cut {
			return g, refuse(GateOrder, "take it back first: crossfade ramp cutover "+flags.PercentText(buckets), "cutover is at %s", share(cut))
		}
		if mirror < flags.Buckets && buckets > 0 {
			return g, refuse(GateOrder, "run crossfade ramp mirror 100, then crossfade backfill and crossfade verify", "mirror is at %s: a session that is not mirrored would be missed in new", share(mirror))
		}
		if mirror < flags.Buckets {
			g.fence = fence
		}
		g.readNew = buckets
	case "cutover":
		if buckets > read {
			return g, refuse(GateOrder, "run crossfade ramp read-new "+flags.PercentText(buckets)+", and let it soak", "read-new is at %s", share(read))
		}
		if read == 0 {
			g.fence = fence
		}
		g.cutover = buckets
	default:
		return g, fmt.Errorf("migrate: no stage %q to ramp: accepted are mirror, read-new and cutover", stage)
	}
	return g, nil
}

func (m *Migration) backGoal(d flags.Definition, to string) (goal, error) {
	ends := d.Weights.Ends()
	g := goal{mirror: ends[position.Mirror], fence: ends[position.Fenced], keepOld: m.o.KeepOld, lower: true}
	switch to {
	case "read-new":
		g.readNew, g.most = ends[position.ReadNew], position.ReadNew
	case "mirror":
		g.fence, g.most = 0, position.Mirror
	case "off":
		g.mirror, g.fence = 0, 0
	default:
		return g, fmt.Errorf("migrate: cannot roll back to %q: accepted are read-new, mirror and off", to)
	}
	return g, nil
}

// reach publishes revision after revision until the goal is acknowledged. The
// goal is taken from the first revision that is read.
func (m *Migration) reach(ctx context.Context, to func(flags.Definition) (goal, error), progress func(Progress)) (res Result, err error) {
	if err := m.catchUp(ctx, tell(progress)); err != nil {
		return res, err
	}
	cur, err := m.read()
	if err != nil {
		return res, err
	}
	g, err := to(cur.def)
	if err != nil {
		return res, err
	}
	if err := m.allowed(cur, g); err != nil {
		return res, err
	}
	res, err = m.toward(ctx, g, progress)
	if err == nil {
		m.spareLooks(ctx, tell(progress))
	}
	if err == nil || res.refusedAt == nil {
		return res, err
	}
	return res, m.unseal(ctx, g, res.refusedAt, err, progress)
}

func (m *Migration) toward(ctx context.Context, g goal, progress func(Progress)) (Result, error) {
	return m.walk(ctx, tell(progress), false, func(cur *revision, _ []reply) (flags.Definition, string, bool, error) {
		r, err := m.recorded(cur)
		if err != nil {
			return flags.Definition{}, "", false, err
		}
		g.viaBack = r.Roamed
		n, text, ok := g.next(cur.def)
		return n, text, ok, nil
	})
}

// Renew publishes so many revisions in which nothing moves, each acknowledged by
// every agent: whoever does not take part is behind by as many.
func (m *Migration) Renew(ctx context.Context, times int, why string, progress func(Progress)) (Result, error) {
	return m.walk(ctx, tell(progress), false, func(cur *revision, _ []reply) (flags.Definition, string, bool, error) {
		if times--; times < 0 || cur.def.Epoch == 0 {
			return cur.def, "", false, nil
		}
		return finish(cur.def, cur.def), why, true, nil
	})
}

// unseal takes a sealed cohort back to read-new when cutover may not follow:
// sealed refuses writes while either store fails, and repairs nothing.
func (m *Migration) unseal(ctx context.Context, g goal, at *revision, why error, progress func(Progress)) error {
	w := at.def.Weights
	if w[position.Sealed] == 0 || w[position.Back] > 0 || g.cutover <= w[position.Cutover] || ctx.Err() != nil {
		return why
	}
	ends := w.Ends()
	_, err := m.toward(ctx, goal{mirror: ends[position.Mirror], fence: ends[position.Fenced], readNew: ends[position.ReadNew], cutover: w[position.Cutover]}, progress)
	if err != nil {
		return fmt.Errorf("%w (and its cohort stays sealed: %w)", why, err)
	}
	var no *Refusal
	if errors.As(why, &no) {
		no.Found += " (the cohort is back in read-new)"
	}
	return why
}

// walk publishes what next says follows, until it says that nothing does. What
// stands is acknowledged by every agent before next is asked, and at the end.
func (m *Migration) walk(ctx context.Context, t *teller, oldDead bool,
	next func(*revision, []reply) (flags.Definition, string, bool, error)) (res Result, err error) {
	backs := 0
	if err := m.catchUp(ctx, t); err != nil {
		return res, err
	}
	for published := uint64(0); ; {
		cur, err := m.read()
		if err != nil {
			return res, err
		}
		if published > 0 && cur.def.Epoch != published {
			return res, refuse(GateRevision, "look at crossfade status, then run this again if it is still wanted",
				"somebody else has published revision %d", cur.def.Epoch)
		}
		replies, err := m.acked(ctx, cur, t, oldDead)
		if err != nil {
			return res, err
		}
		res.Epoch, res.State, res.Agents = cur.def.Epoch, state(cur.def), len(replies)
		n, text, more, err := next(cur, replies)
		if err != nil || !more {
			return res, err
		}
		if err := m.before(ctx, cur, n, replies, t); err != nil {
			again, ok := m.backAgain(cur, n, err)
			if !ok || backs == backsMost {
				res.refusedAt = cur
				return res, err
			}
			backs++
			n, text = again, "the sealed sessions once more to back: "+gateOf(err)
			if err := m.gate(ctx, cur, n, replies, t); err != nil {
				return res, err
			}
		}
		if err := m.publish(ctx, cur, n, text, m.cost(ctx, cur, n, replies), t); err != nil {
			return res, err
		}
		published = n.Epoch
		res.Steps = append(res.Steps, text)
		t.news("published", "revision %d: %s", n.Epoch, text)
	}
}

// backsMost is how often a call makes old whole anew.
const backsMost = 3

// backAgain is the way out where sessions that were on their way back are
// sealed, and old turns out not to be whole: a write failed there before every
// agent had taken sealed, or an agent died. Nothing is copied in sealed.
func (m *Migration) backAgain(cur *revision, n flags.Definition, why error) (flags.Definition, bool) {
	w := cur.def.Weights
	down := w[position.Sealed] > 0 && w[position.Back] == 0 && n.Weights[position.ReadNew] > w[position.ReadNew]
	r, err := m.recorded(cur)
	if gate := gateOf(why); !down || err != nil || r.Owed == 0 || gate != GateCleanOld && gate != GateReversed {
		return n, false
	}
	n = cur.def
	n.Weights[position.Back], n.Weights[position.Sealed] = w[position.Sealed], 0
	return finish(cur.def, n), true
}

// gateOf is the gate that refused; empty: it was something else.
func gateOf(err error) string {
	var no *Refusal
	if errors.As(err, &no) {
		return no.Gate
	}
	return ""
}

// allowed refuses what no revision of the way could mend.
func (m *Migration) allowed(cur *revision, g goal) error {
	if d := cur.def.DeclaredDown; d != flags.NoneDown {
		return refuse(GateDown, "bring it back and run crossfade recover old", "a store is declared down (%v)", d)
	}
	if r, err := m.recorded(cur); err == nil && r.Completed != nil && g.cutover < cur.def.Weights[position.Cutover] {
		return refuse(GateOrder, "make it a migration of its own, under another name, from new to old", "the migration was completed at %s: old was not written since", r.Completed.Format(time.RFC3339))
	}
	w := cur.def.Weights
	beyond := g.fence > 0 || g.readNew > 0 || w[position.Off]+w[position.Mirror] < flags.Buckets
	if len(m.agents()) == 0 && beyond {
		return refuse(GateAgents, "name the admin address of every agent in flags.agents", "flags.agents is empty: past mirror each agent has to acknowledge, and nobody else can say that it has")
	}
	if err := pinsAllow(cur.def, g); err != nil {
		return err
	}
	if g.readNew > w.Ends()[position.ReadNew] {
		r, err := m.recorded(cur)
		if err != nil {
			return err
		}
		if r.Verified == nil { // before the fence is published for nothing
			if no := r.verified(nil); no != nil {
				return no
			}
		}
	}
	return nil
}

// before sees to what a revision needs: a reverse copy is made, everything else
// is a gate.
func (m *Migration) before(ctx context.Context, cur *revision, n flags.Definition, replies []reply, t *teller) error {
	if cur.def.Epoch == 0 {
		for i := range replies {
			if e := replies[i].status.Epoch; e > 0 {
				return refuse(GateRevision, "put the flag file back: each agent keeps flags.last-good.json in its state folder",
					"there is no flag file, and agent %s serves revision %d", replies[i].name(), e)
			}
		}
		return nil
	}
	if needs(cur.def, n, m.env())&rules.NeedReversed != 0 && copiesBack(cur.def) {
		r, err := m.recorded(cur)
		if err != nil {
			return err
		}
		dirty, all := false, false
		for i := range replies {
			dirty = dirty || replies[i].status.DirtyOld > 0
			all = all || replies[i].status.AllDirtyOld && (!m.hosts() || replies[i].name() == m.o.Host)
		}
		switch {
		case all, r.reversed(replies) != nil && !r.reversedHere(m, cur, replies):
			_, err = m.reverse(ctx, cur, t)
		case dirty: // since the reverse copy
			err = m.dirtyBack(ctx, t)
		} // else another host's turn, or nothing is left
		if err != nil {
			return err
		}
		if r, err = m.recorded(cur); err != nil {
			return err
		}
		if no := r.soaking(); no != nil {
			return no
		}
		if replies, err = m.acked(ctx, cur, t, false); err != nil {
			return err
		}
		if cur.def.DeclaredDown == flags.OldRecovering { // also where a crash came between
			if err := m.restored(ctx, replies); err != nil {
				return err
			}
		}
	}
	return m.gate(ctx, cur, n, replies, t)
}

// copiesBack tells whether a reverse copy may run: sessions are in back, or old
// is recovering.
func copiesBack(d flags.Definition) bool {
	return d.Weights[position.Back] > 0 || d.DeclaredDown == flags.OldRecovering
}
