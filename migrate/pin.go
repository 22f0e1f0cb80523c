package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// pinsMost bounds the pins of a migration: they travel in each revision, and in
// the notes in the stores. More than some dozens are a ramp, and should be one.
const pinsMost = 1000

// Pin holds one session at a position, whatever the ramp says, until Unpin. It
// goes there as a cohort does: position by position, each acknowledged by every
// agent, with the same gates. Accepted are off, mirror, fenced and read-new, for a
// session that is in one of them: sealing, cutover and the reverse copy are made
// for cohorts. Errors: *Refusal, *Waiting, or another; what was published stands,
// and the same call goes on from there.
func (m *Migration) Pin(ctx context.Context, h flags.Hash, to position.Position, progress func(Progress)) (Result, error) {
	return m.pinned(ctx, pinGoal{hash: h, to: to}, progress)
}

// Unpin gives a session back to its cohort, position by position.
func (m *Migration) Unpin(ctx context.Context, h flags.Hash, progress func(Progress)) (Result, error) {
	return m.pinned(ctx, pinGoal{hash: h, release: true}, progress)
}

// PlanPin says what Pin would do, and does nothing.
func (m *Migration) PlanPin(ctx context.Context, h flags.Hash, to position.Position) (Plan, error) {
	return m.planPin(ctx, pinGoal{hash: h, to: to})
}

// PlanUnpin says what Unpin would do, and does nothing.
func (m *Migration) PlanUnpin(ctx context.Context, h flags.Hash) (Plan, error) {
	return m.planPin(ctx, pinGoal{hash: h, release: true})
}

// PinsUp tells whether pinning a session there, or unpinning it, takes it further
// than it is.
func (m *Migration) PinsUp(h flags.Hash, to position.Position, release bool) (bool, error) {
	cur, err := m.read()
	if err != nil {
		return false, err
	}
	at, pinned := cur.def.At(h)
	if release {
		to, _ = cur.def.Cohort(h)
		return pinned && to > at, nil
	}
	return to > at, nil
}

// pinGoal is where one session is to be.
type pinGoal struct {
	hash    flags.Hash
	to      position.Position
	release bool // to its cohort, and no pin
}

// next is the revision that follows d on the way, as goal.next.
func (g pinGoal) next(d flags.Definition) (n flags.Definition, text string, ok bool) {
	at, pinned := d.At(g.hash)
	to := g.to
	if g.release {
		to, _ = d.Cohort(g.hash)
	}
	_, settled := d.Cohort(g.hash)
	n = d
	n.Pins = maps.Clone(d.Pins)
	if n.Pins == nil {
		n.Pins = map[flags.Hash]position.Position{}
	}
	switch {
	case g.release && !pinned, !g.release && pinned && at == to:
		return d, "", false
	case g.release && at == to:
		delete(n.Pins, g.hash)
		return finish(d, n), fmt.Sprintf("session %v goes with its cohort, in %v", g.hash, at), true
	case g.release && toward(at, to) == to && !settled: // never pinned in cutover: a rollback of the cohort would leave it there
		delete(n.Pins, g.hash)
		return finish(d, n), fmt.Sprintf("session %v from %v to %v, with its cohort", g.hash, at, to), true
	case at == to, !pinned && settled: // settled is taken back first
		n.Pins[g.hash] = at
		return finish(d, n), fmt.Sprintf("session %v is held in %v", g.hash, at), true
	}
	by := toward(at, to)
	n.Pins[g.hash] = by
	return finish(d, n), fmt.Sprintf("session %v from %v to %v", g.hash, at, by), true
}

// toward is the next position on the way, of those that stand in a row.
func toward(at, to position.Position) position.Position {
	if to > at {
		return at + 1
	}
	return at - 1
}

func (m *Migration) pinned(ctx context.Context, g pinGoal, progress func(Progress)) (Result, error) {
	t := tell(progress)
	res, err := m.walk(ctx, t, false, func(cur *revision, _ []reply) (flags.Definition, string, bool, error) {
		if err := m.mayPin(cur, g); err != nil {
			return cur.def, "", false, err
		}
		n, text, ok := g.next(cur.def)
		return n, text, ok, nil
	})
	if err == nil {
		m.spareLooks(ctx, t)
		return res, nil
	}
	return res, m.unsealOne(ctx, g, res, err, progress)
}

// unsealOne takes a session out of sealed that may not go on: it refuses writes
// while either store fails, and repairs nothing. It says where the session is.
func (m *Migration) unsealOne(ctx context.Context, g pinGoal, res Result, why error, progress func(Progress)) error {
	cur, err := m.read()
	if err != nil || ctx.Err() != nil || res.refusedAt == nil {
		return why
	}
	at, pinned := cur.def.At(g.hash)
	if pinned && at == position.Sealed && g.release {
		back := pinGoal{hash: g.hash, to: position.ReadNew}
		if _, err := m.walk(ctx, tell(progress), false, func(cur *revision, _ []reply) (flags.Definition, string, bool, error) {
			n, text, ok := back.next(cur.def)
			return n, text, ok, nil
		}); err != nil {
			return fmt.Errorf("%w (and it stays sealed: %w)", why, err)
		}
		at = position.ReadNew
	}
	var no *Refusal
	if errors.As(why, &no) && pinned {
		no.Found += fmt.Sprintf(" (the session is held in %v)", at)
	}
	return why
}

// mayPin refuses what no revision of the way could mend.
func (m *Migration) mayPin(cur *revision, g pinGoal) error {
	d := cur.def
	at, pinned := d.At(g.hash)
	to := g.to
	if g.release {
		to, _ = d.Cohort(g.hash)
	}
	r, err := m.recorded(cur)
	if err != nil {
		return err
	}
	if g.release && !pinned {
		return nil
	}
	furthest := max(at, to)
	switch {
	case d.Epoch == 0:
		return refuse(GateOrder, "run crossfade ramp mirror 0", "no revision is published yet")
	case d.DeclaredDown != flags.NoneDown:
		return refuse(GateDown, "bring it back and run crossfade recover old", "a store is declared down (%v)", d.DeclaredDown)
	case r.Completed != nil:
		return refuse(GateOrder, "nothing moves any more", "the migration was completed at %s", r.Completed.Format(time.RFC3339))
	case d.Weights[position.Sealed]+d.Weights[position.Back] > 0:
		return refuse(GateOrder, "finish the step that was begun: crossfade ramp cutover, or crossfade rollback --to read-new", "sessions are on their way (%s)", state(d))
	case len(d.Only) > 0:
		return refuse(GateOrder, "run crossfade ramp mirror without --agents", "some agents alone mirror")
	case !g.release && to > position.ReadNew:
		return refuse(GateOrder, "accepted are off, mirror, fenced and read-new", "a session cannot be held in %v: sealing, cutover and the reverse copy are made for cohorts", to)
	case at > position.ReadNew && !(g.release && at == position.Sealed):
		return refuse(GateOrder, "take its cohort back first: crossfade rollback --to read-new", "the session is in %v, where old lacks its writes: the reverse copy is made for cohorts", at)
	case m.hosts() && furthest > position.Fenced:
		return refuse(GateOrder, "accepted are off, mirror and fenced", "each host has an old of its own, and what leaves it has to be copied on each: one session cannot go past fenced by itself")
	case len(m.agents()) == 0 && furthest > position.Mirror:
		return refuse(GateAgents, "name the admin address of every agent in flags.agents", "flags.agents is empty: past mirror each agent has to acknowledge, and nobody else can say that it has")
	case !pinned && len(d.Pins) >= pinsMost:
		return refuse(GateOrder, "unpin some, or ramp", "%d sessions are pinned already", len(d.Pins))
	case at < position.ReadNew && to >= position.ReadNew:
		if unfenced(d) && r.Verified == nil { // before the fence is published for nothing
			if no := r.verified(nil); no != nil {
				return no
			}
		}
	}
	for h, p := range d.Pins {
		if h != g.hash && (p == position.Sealed || p == position.Back) {
			return refuse(GateOrder, "unpin that one first", "session %v is pinned at %v", h, p)
		}
	}
	return nil
}

// planPin is plan for one session.
func (m *Migration) planPin(ctx context.Context, g pinGoal) (p Plan, err error) {
	cur, err := m.read()
	if err != nil {
		return p, err
	}
	p.State = state(cur.def)
	if no := m.mayPin(cur, g); no != nil {
		p.Refused = no.Error()
		return p, nil
	}
	return p, m.planned(ctx, cur, &p, g.next)
}

// pinsAllow refuses a ramp that would leave a pinned session where nothing could
// bring it from again: what it needs to follow would be there no more.
func pinsAllow(d flags.Definition, g goal) error {
	ends := d.Weights.Ends()
	for h, p := range d.Pins {
		switch {
		case p == position.Back, p == position.Sealed && !g.lower:
			return refuse(GateOrder, "unpin it", "session %v is pinned at %v", h, p)
		case g.readNew > ends[position.ReadNew] && p < position.Fenced:
			return refuse(GateOrder, "unpin it, or pin it at fenced; then verify", "session %v is pinned at %v: while one session is not fenced no verification counts", h, p)
		case g.cutover > d.Weights[position.Cutover] && p < position.ReadNew:
			return refuse(GateOrder, "unpin it, or pin it at read-new", "session %v is pinned at %v: what brings it to read-new is gone when its cohort is in cutover", h, p)
		}
	}
	return nil
}

// lowered is the revision in which the pins that are above a position go down by
// one; ok false: none is.
func lowered(d flags.Definition, most position.Position) (n flags.Definition, text string, ok bool) {
	n = d
	n.Pins = maps.Clone(d.Pins)
	count := 0
	for h, p := range d.Pins {
		if p > most && p <= position.Sealed {
			n.Pins[h] = p - 1
			count++
		}
	}
	return finish(d, n), fmt.Sprintf("%d pinned sessions one position down", count), count > 0
}

// PinnedAt is a session that is held at a position.
type PinnedAt struct {
	Hash     string            `json:"hash"`
	Position position.Position `json:"position"`
}

// pinsOf are the pins in the order of their hashes.
func pinsOf(d flags.Definition) (ps []PinnedAt) {
	for h, p := range d.Pins {
		ps = append(ps, PinnedAt{h.String(), p})
	}
	slices.SortFunc(ps, func(a, b PinnedAt) int { return strings.Compare(a.Hash, b.Hash) })
	return ps[:min(len(ps), pinsMost)]
}
