package darklaunch

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// buryTTL is how long a tombstone lives: twice as long as any copy may run. It
// must outlive what old still holds where new alone takes the delete, and what
// other hosts hold where each has an old of its own.
func (op *operation) buryTTL(s rules.Side) time.Duration {
	env := op.l.env(op.at)
	alone := op.m.Position() == position.ReadNew && env&(rules.OldDown|rules.Behind) != 0
	hosts := env&rules.HostScoped != 0 && s == rules.New
	if !alone && !hosts {
		return 2 * op.l.o.CopyTimeout
	}
	if age := op.ref.Kind().MaxAge; age > 0 {
		return max(age, 2*op.l.o.CopyTimeout)
	}
	return longestLife
}

// longestLife stands for "without end" where a time to live is needed.
const longestLife = 365 * 24 * time.Hour

// session is what a write to that side writes: the client's session, or in a
// copy, or an edit that copies, what the other side held.
func (op *operation) session(s rules.Side) backends.Session {
	switch kind := op.m.Op(); {
	case kind == rules.Edit && op.m.CopiesOld():
	case kind == rules.Set, kind == rules.Add, kind == rules.Edit, kind == rules.MirrorSet:
		w := op.write
		w.Key = op.key(s)
		return w
	}
	from := op.got[s.Other()].Session
	from.Key = op.key(s)
	if from.Flags == 0 && !op.l.keepsFlags(s.Other()) {
		from.Flags = op.ref.Kind().Flags
	}
	op.known(&from)
	return from
}

// known gives a deadline to a session that was read from a store which cannot
// say how long it still lives: the longest it can, until the next write or touch
// makes it exact.
func (op *operation) known(s *backends.Session) {
	if !s.DeadlineUnknown {
		return
	}
	s.DeadlineUnknown = false
	if age := op.ref.Kind().MaxAge; age > 0 {
		s.Deadline = time.Now().Add(age)
	}
	op.l.seen(op.ref).Divergence("expiry", "unknown")
}

func okNo(ok bool) rules.Answer {
	if ok {
		return rules.OK
	}
	return rules.No
}

// change makes every call but a read of the session.
func (op *operation) change(ctx context.Context, c rules.Call) (rules.Answer, error) {
	st, s := op.l.store(c.Side), c.Side
	if op.edit != nil {
		switch c.Kind {
		case rules.GuardCall:
			return op.editGuard(ctx, st, s)
		case rules.SwapCall, rules.RemoveIfCall, rules.BuryIfCall:
			return op.editSwap(ctx, c)
		}
	}
	switch c.Kind {
	case rules.MarkCall:
		return op.marks(ctx, st)
	case rules.SetCall:
		return rules.OK, st.Set(ctx, op.session(s))
	case rules.ReviveCall:
		return rules.OK, st.Revive(ctx, op.session(s))
	case rules.DeleteCall:
		found, err := st.Delete(ctx, op.key(s))
		return okNo(found), err
	case rules.BuryCall:
		ttl := op.buryTTL(s)
		found, err := st.Bury(ctx, op.key(s), ttl)
		op.buried(err, ttl)
		return okNo(found), err
	case rules.TouchCall:
		return op.touch(ctx, st, s)
	case rules.AddCall:
		stored, err := st.Add(ctx, op.session(s))
		return okNo(stored), err
	case rules.AddUndoCall:
		stored, undo, err := st.AddUndo(ctx, op.session(s))
		op.undo = undo
		return okNo(stored), err
	case rules.UndoCall:
		if op.undo == nil {
			return rules.Err, errors.New("darklaunch: nothing to undo")
		}
		return conflictNo(op.undo.Undo(ctx))
	case rules.GuardCall:
		return op.guardIt(ctx, st, s)
	case rules.SwapCall:
		defer op.releaseGuard() // it is used up: a repair has a long wait before it
		if op.target.Gone {
			// The token was read before the source: what the source holds was
			// written after the delete that left the tombstone.
			return conflictNo(op.guard.Revive(ctx, op.session(s)))
		}
		return conflictNo(op.guard.Swap(ctx, op.session(s)))
	case rules.BuryIfCall:
		defer op.releaseGuard()
		ttl := op.buryTTL(s)
		err := op.guard.Bury(ctx, ttl)
		op.buried(err, ttl)
		return conflictNo(err)
	case rules.PutMarkCall:
		return rules.OK, op.putMarks(ctx, st)
	case rules.ListCall:
		return op.list(ctx)
	case rules.DropMarkCall:
		err := st.DropMarks(ctx, op.key(s), op.own)
		if _, unknown := backends.IsUnknown(err); err == nil || unknown {
			op.l.standing(op.hash, op.ref, func(n int) int { return n - len(op.own) })
		}
		return rules.OK, err
	case rules.BehindCall:
		return rules.OK, st.Set(ctx, backends.Session{Key: backends.BehindKey(op.l.o.Migration, op.l.start),
			Data: []byte(time.Now().UTC().Format(time.RFC3339))})
	case rules.LockCall:
		ok, err := st.Lock(ctx, op.lockKey(s), op.lock, op.lockTTL)
		return okNo(ok), err
	case rules.UnlockCall:
		ok, err := st.Unlock(ctx, op.lockKey(s), op.lock)
		return okNo(ok), err
	}
	return rules.Err, errors.New("darklaunch: unknown call " + c.Kind.String())
}

// buried counts a tombstone that stands, or may.
func (op *operation) buried(err error, ttl time.Duration) {
	if _, unknown := backends.IsUnknown(err); err == nil || unknown {
		op.l.gone.wrote(time.Now(), ttl)
	}
}

func conflictNo(err error) (rules.Answer, error) {
	if errors.Is(err, backends.ErrConflict) {
		return rules.No, nil
	}
	return rules.OK, err
}

func (op *operation) touch(ctx context.Context, st Abilities, s rules.Side) (rules.Answer, error) {
	found, err := st.Touch(ctx, op.key(s), op.deadline)
	if err != nil || found {
		return rules.OK, err
	}
	if s == rules.New { // absent, or deleted?
		rec, err := st.Read(ctx, op.key(s))
		if err != nil {
			return rules.Err, err
		}
		if rec.Gone {
			return rules.Gone, nil
		}
	}
	return rules.No, nil
}

func (op *operation) guardIt(ctx context.Context, st Abilities, s rules.Side) (rules.Answer, error) {
	op.releaseGuard() // of the try before
	if !time.Now().Before(op.notAfter) {
		return rules.Err, context.DeadlineExceeded
	}
	g, err := st.Guard(ctx, op.key(s), op.notAfter)
	if err != nil {
		return rules.Err, err
	}
	op.guard = g
	op.target = g.Record()
	return answerOf(&op.target), nil
}

// putMarks puts our entries beside the session.
func (op *operation) putMarks(ctx context.Context, st Abilities) error {
	op.l.marking.Add(1)
	defer op.l.marking.Add(-1)
	for _, m := range op.l.namedCalls(op.hash, op.ref) {
		m.Agent, m.Write = op.l.start, op.l.writes.Add(1)
		err := st.PutMark(ctx, op.key(rules.Old), m, op.ref.Kind().MaxAge)
		if _, unknown := backends.IsUnknown(err); err == nil || unknown {
			op.l.marksPut.Add(1)
			op.l.standing(op.hash, op.ref, func(n int) int { return n + 1 })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// marks looks at the session's marks in old. Those that this agent put, in this
// life or an earlier one, are its own to remove.
func (op *operation) marks(ctx context.Context, st Abilities) (rules.Answer, error) {
	ms, err := st.Marks(ctx, op.key(rules.Old))
	if err != nil {
		return rules.Err, err
	}
	op.own = op.own[:0]
	if op.m.Op() == rules.Repair && op.l.inDoubt(op.hash, op.ref) {
		// A call has timed out since this repair was begun, and one of the marks
		// may be its own: that one must stay.
		return rules.MarkedCall, nil
	}
	a := rules.Clear
	for _, m := range ms {
		if a == rules.Clear {
			a = rules.Marked
		}
		if !op.l.isOwn(m.Agent) {
			continue
		}
		op.own = append(op.own, m)
		if m.Agent != op.l.start && m.Conn != "" && op.m.Op() == rules.Repair && !op.l.cannotArrive(ctx, m) {
			a = rules.MarkedCall
		}
	}
	if len(op.own) == 0 {
		op.l.standing(op.hash, op.ref, func(int) int { return 0 })
	}
	return a, nil
}

// cannotArrive makes sure that the call to new which a mark of an earlier life
// names will not take effect any more.
func (l *Layer) cannotArrive(ctx context.Context, m backends.Mark) bool {
	s, ok := l.o.New.Store.(interface {
		Settle(ctx context.Context, conn, runID string) error
	})
	return ok && s.Settle(ctx, m.Conn, m.RunID) == nil
}
