package migrate

import (
	"context"
	"fmt"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// DeclareDown declares old dead: new takes every write of settled read-new, and,
// once every agent knows and the locks that old granted have run out, grants
// the locks.
func (m *Migration) DeclareDown(ctx context.Context, store string, progress func(Progress)) (res Result, err error) {
	if store != "old" {
		return res, errDownStore(store)
	}
	return m.walk(ctx, tell(progress), true, func(at *revision, _ []reply) (flags.Definition, string, bool, error) { return downNext(at.def) })
}

func errDownStore(store string) error {
	return fmt.Errorf("migrate: cannot declare %q down: accepted is old (where new dies, crossfade rollback --to mirror)", store)
}

// downNext is the revision that follows cur on the way to old being declared
// down.
func downNext(cur flags.Definition) (n flags.Definition, text string, ok bool, err error) {
	n = cur
	switch cur.DeclaredDown {
	case flags.NoneDown, flags.OldRecovering:
		if no := down(cur); no != nil {
			return n, "", false, no
		}
		n.DeclaredDown, text = flags.OldDown, "old is declared down"
	case flags.OldDown:
		n.DeclaredDown, text = flags.OldDownLocks, "new grants the locks"
	case flags.NewDown:
		return n, "", false, refuse(GateDown, "there is no store left", "new is declared down")
	default:
		return n, "", false, nil
	}
	return finish(cur, n), text, true, nil
}

// down refuses where a declaration would help nobody, or would not be safe.
func down(d flags.Definition) *Refusal {
	w := d.Weights
	read := w.Ends()[position.ReadNew]
	switch {
	case w[position.Sealed]+w[position.Back] > 0:
		return refuse(GateOrder, "crossfade rollback --to read-new, or crossfade ramp cutover", "sessions are on their way (%s)", state(d))
	case w[position.ReadNew] == 0:
		return refuse(GateOrder, "old decides for all others: bring it back", "no session is in read-new (%s)", state(d))
	case d.DeclaredDown == flags.NoneDown && aheadPinned(d) > 0:
		return refusedByPins(d)
	case d.DeclaredDown == flags.NoneDown && d.Settled < read:
		return refuse(GateOrder, "run crossfade ramp read-new "+flags.PercentText(read)+": it settles what every agent has acknowledged", "read-new is not settled: an agent may still ask old")
	}
	return nil
}

// aheadPinned is how many sessions are pinned in read-new, or beyond.
func aheadPinned(d flags.Definition) (n int) {
	for _, p := range d.Pins {
		if p >= position.ReadNew {
			n++
		}
	}
	return n
}

func refusedByPins(d flags.Definition) *Refusal {
	return refuse(GateOrder, "crossfade unpin them (crossfade status has their hashes)", "%d sessions are pinned at read-new, where it is never settled: an agent may still ask old", aheadPinned(d))
}

// Recover makes old whole again after it was down, or after agents made writes
// in new alone: both stores are written, new is copied to old and verified, and
// read-new begins anew through sealed. The call goes on where it was stopped, and
// where a store cannot list its sessions it is refused until a soak is over.
func (m *Migration) Recover(ctx context.Context, store string, progress func(Progress)) (res Result, err error) {
	if store != "old" {
		return res, fmt.Errorf("migrate: cannot recover %q: accepted is old", store)
	}
	return m.walk(ctx, tell(progress), false, func(at *revision, replies []reply) (n flags.Definition, text string, ok bool, err error) {
		cur := at.def
		n = cur
		w := cur.Weights
		ends := w.Ends()
		switch cur.DeclaredDown {
		case flags.NoneDown:
			if w[position.Sealed]+w[position.Back] > 0 {
				// Copied and sealed: on to read-new.
				n, text, ok = goal{mirror: ends[position.Mirror], fence: ends[position.Fenced], readNew: ends[position.Sealed], cutover: w[position.Cutover]}.next(cur)
				return n, text, ok, nil
			}
			behind, err := m.shut(ctx, at, cur, rules.NeedNotBehind, replies)
			if err != nil {
				return n, "", false, err
			}
			if behind == nil {
				g := goal{mirror: ends[position.Mirror], fence: ends[position.Fenced], readNew: ends[position.ReadNew], cutover: w[position.Cutover]}
				n, text, ok = g.next(cur) // settle it again
				return n, text, ok, nil
			}
			if aheadPinned(cur) > 0 {
				return n, "", false, refusedByPins(cur)
			}
			if _, err := m.wayBack(ctx); err != nil {
				return n, "", false, err
			}
			n.DeclaredDown, text = flags.OldDown, "old lacks writes: it is declared down"
		case flags.OldDown, flags.OldDownLocks:
			if _, err := m.wayBack(ctx); err != nil {
				return n, "", false, err
			}
			n.DeclaredDown, n.Settled, text = flags.OldRecovering, 0, "old is back: both are written"
		case flags.OldRecovering:
			n.DeclaredDown, text = flags.NoneDown, "old is whole: sealed"
			n.Weights[position.Sealed], n.Weights[position.ReadNew] = w[position.Sealed]+w[position.ReadNew], 0
		default:
			return n, "", false, refuse(GateDown, "this is for old", "new is declared down")
		}
		return finish(cur, n), text, true, nil
	})
}

// restored removes the records that old is behind and tells the agents.
func (m *Migration) restored(ctx context.Context, replies []reply) error {
	l, err := m.stores()
	if err != nil {
		return err
	}
	var names []string
	err = m.own(ctx, rules.New, backends.BehindKey(m.o.Migration, "").Name, func(ns []string) error {
		names = append(names, ns...)
		return nil
	})
	if unlisted(err) {
		if names, err = m.behindNames(replies); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	for _, n := range names {
		one, cancel := context.WithTimeout(ctx, m.copyMost())
		_, err := l.New.Delete(one, backends.Key{Name: n})
		cancel()
		if err != nil {
			return fmt.Errorf("migrate: remove a record that old is behind: %w: run it again", err)
		}
	}
	return m.agents().each(func(_ int, a *agentapi.Client) error { return a.Restored(ctx) })
}
