package darklaunch

import (
	"context"
	"errors"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Explanation is what an agent knows of one session: never its id or data.
type Explanation struct {
	Hash     string
	Decision flags.Decision
	Dirty    [2]bool // in old, in new, as this agent remembers
	Marks    int     // in old; -1 where they could not be read
	Stores   [2]Look // old, new
	Ways     []Way
}

// Look is what one store held.
type Look struct {
	Side
	Gone  bool   // a tombstone stands
	Error string // "error" or "timeout": the store did not say
}

// Way is where one operation goes, in the order of its calls, when nothing
// fails.
type Way struct {
	Op    string
	Calls []string // such as "old: set"
	After bool     // the other store follows after the answer
}

// Explain looks at one session in both stores.
func (l *Layer) Explain(ctx context.Context, ref kinds.Ref) Explanation {
	h, at := l.Position(ref)
	e := Explanation{Hash: h.String(), Decision: at, Ways: l.Ways(at)}
	l.table.with(h, ref, func(s *session) { e.Dirty = s.dirty })
	op := &operation{l: l, at: at, ref: ref, hash: h, purpose: Compare}
	for _, s := range []rules.Side{rules.Old, rules.New} {
		var rec backends.Record
		err := l.explained(ctx, s, func(ctx context.Context) (err error) {
			rec, err = l.store(s).Read(ctx, op.key(s))
			return err
		})
		e.Stores[s] = Look{Side: l.describe(&rec), Gone: rec.Gone, Error: said(err)}
	}
	err := l.explained(ctx, rules.Old, func(ctx context.Context) error {
		ms, err := l.store(rules.Old).Marks(ctx, op.key(rules.Old))
		e.Marks = len(ms)
		return err
	})
	if err != nil {
		e.Marks = -1
	}
	return e
}

// explained makes a call for a person: no breaker, no metrics.
func (l *Layer) explained(ctx context.Context, s rules.Side, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.side(s).Timeout)
	defer cancel()
	return fn(ctx)
}

func said(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "error"
}

// Ways asks the rules where the operations of a session go: its machine is
// given the answers of two healthy stores that hold the session.
func (l *Layer) Ways(at flags.Decision) []Way {
	var ways []Way
	for _, op := range []rules.Op{rules.Get, rules.Set, rules.Touch, rules.Delete, rules.Add, rules.Edit, rules.Lock} {
		w := Way{Op: op.String()}
		m := rules.Start(op, at.Position, l.env(at))
		for n := 0; m.Running() && n < 16; n++ {
			for i, c := range m.Calls() {
				if c.Kind == rules.NoCall || !m.Running() {
					continue
				}
				if !c.Kind.Local() {
					w.Calls = append(w.Calls, c.Side.String()+": "+c.Kind.String())
				}
				m.Answer(i, healthy(c.Kind))
			}
			w.After = w.After || m.TakeEffects()&rules.QueueWrite != 0
		}
		w.After = w.After || m.TakeEffects()&rules.QueueWrite != 0
		ways = append(ways, w)
	}
	return ways
}

func healthy(k rules.Kind) rules.Answer {
	switch k {
	case rules.ReadCall, rules.GuardCall:
		return rules.Hit
	case rules.MarkCall:
		return rules.Clear
	case rules.AskCall:
		return rules.Writes
	case rules.SameCall:
		return rules.Same
	}
	return rules.OK
}

// CopyBackDirty copies to old the sessions that this agent holds dirty there,
// while they are in back or old is recovering: agents do not by themselves,
// since nobody may be in sealed meanwhile. left is how many stay dirty.
func (l *Layer) CopyBackDirty(ctx context.Context) (done, left int) {
	if l.Stopped() != "" {
		return 0, int(l.dirty[rules.Old].Load())
	}
	type job struct {
		hash flags.Hash
		ref  kinds.Ref
	}
	var jobs []job
	l.table.each(func(h flags.Hash, s *session) {
		if s.dirty[rules.Old] && !s.repairing && len(s.unknown[0])+len(s.unknown[1]) == 0 {
			s.repairing, s.again[rules.Old] = true, false
			jobs = append(jobs, job{h, s.ref})
		}
	})
	era := l.eras.hold()
	defer era.release()
	for _, j := range jobs {
		at := era.snap.Decide(j.hash)
		whole := at.Position == position.Back || at.Position == position.ReadNew && at.Down == flags.OldRecovering
		ok := false
		if whole && ctx.Err() == nil {
			ok = l.copyOne(era, j.hash, j.ref, at, rules.CopyBack).m.Reply() == rules.Finished
		}
		l.repaired(j.hash, j.ref, ok)
		if ok {
			done++
			l.obs.Repair(rules.Old, "done")
		}
		l.obs.Copied("copy_back", doneOrLeft(ok))
	}
	return done, int(l.dirty[rules.Old].Load())
}
