package darklaunch

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Direction of a copy.
type Direction uint8

const (
	Forward  Direction = iota // old to new: backfill and verification
	Backward                  // new to old: rollback
)

func (d Direction) op() rules.Op {
	if d == Backward {
		return rules.CopyBack
	}
	return rules.Copy
}

func (d Direction) target() rules.Side {
	if d == Backward {
		return rules.Old
	}
	return rules.New
}

// CopyResult is what a copy of one session came to.
type CopyResult struct {
	// Class is the difference that was found, as in Divergence; empty: none, or
	// none that means anything: what was written then had other bytes.
	Class string
	// Whole is set when the target now holds what the source held.
	Whole bool
	// Wrote is set when that took a write, or a burial.
	Wrote bool
	// Lags is set when old's session may be older than what new holds, which
	// stays: the class old_regressed.
	Lags bool
	// Evicted is set when new holds a session that an evicting old has no more:
	// no evidence that it was deleted, so it stays.
	Evicted bool
	// Was is what the guard saw in the target, and Now what the source held, of
	// one that was copied alone and wrote.
	Was, Now backends.Record
	// Err is why it is not whole. No id is in it.
	Err error
}

// CopyOne compares one session in both stores and corrects the target, by a
// guarded change. It is what a backfill and a verification are made of, and
// needs no Run.
func (l *Layer) CopyOne(ctx context.Context, ref kinds.Ref, dir Direction) CopyResult {
	if err := ctx.Err(); err != nil {
		return CopyResult{Err: err}
	}
	op, err := l.newCopy(ref, dir)
	if err != nil {
		return CopyResult{Err: err}
	}
	defer op.era.release()
	op.run()
	r := op.copied(dir)
	if r.Wrote {
		r.Was, r.Now = op.target, op.got[dir.target().Other()]
	}
	return r
}

func (l *Layer) newCopy(ref kinds.Ref, dir Direction) (*operation, error) {
	op := &operation{ref: ref, hash: l.o.Hasher.SumString(ref.ID), purpose: Copy, notAfter: time.Now().Add(l.o.CopyTimeout)}
	if err := l.begin(op, dir.op()); err != nil {
		return nil, err
	}
	return op, nil
}

func (op *operation) copied(dir Direction) CopyResult {
	r := CopyResult{
		Whole:   op.m.Reply() == rules.Finished,
		Wrote:   op.effects&rules.Copied != 0,
		Evicted: op.effects&rules.EvictedOld != 0,
		Lags:    op.effects&rules.OldLags != 0,
	}
	if !r.Whole {
		r.Err = op.failure
		if r.Err == nil {
			r.Err = fmt.Errorf("%w: the session is marked, with a call that may still arrive", ErrUnavailable)
		}
	}
	older, newer := &op.got[rules.Old], &op.target
	if dir == Backward {
		older, newer = &op.target, &op.got[rules.New]
	}
	r.Class = op.l.classify(op.ref, older, newer)
	return r
}

// CopyMany is CopyOne of many sessions: in two round trips where the target can
// guard many at once and the source can read many, else one by one. What the
// batch could not do is done alone. The results are in the order of the refs.
func (l *Layer) CopyMany(ctx context.Context, refs []kinds.Ref, dir Direction) []CopyResult {
	out := make([]CopyResult, len(refs))
	left := l.copyBatch(ctx, refs, dir, out)
	for _, i := range left {
		out[i] = l.CopyOne(ctx, refs[i], dir)
	}
	return out
}

// copyBatch does what it can and gives the indices of the rest.
func (l *Layer) copyBatch(ctx context.Context, refs []kinds.Ref, dir Direction, out []CopyResult) (left []int) {
	all := make([]int, len(refs))
	for i := range all {
		all[i] = i
	}
	t := dir.target()
	target, ok := l.side(t).Store.(backends.BatchGuarder)
	source, ok2 := l.side(t.Other()).Store.(backends.BatchReader)
	if !ok || !ok2 || len(refs) < 2 {
		return all
	}
	b := &batch{l: l, refs: refs, dir: dir}
	defer b.release()
	if err := b.start(); err != nil {
		return all
	}
	guard, err := target.GuardMany(b.context(ctx, t), b.keys(t), b.notAfter)
	b.done()
	if err != nil {
		return all
	}
	defer guard.Release()
	sources, err := source.ReadMany(b.context(ctx, t.Other()), b.keys(t.Other()))
	b.done()
	if err != nil {
		return all
	}
	writes, left := b.decide(guard.Records(), sources)
	if len(writes) > 0 {
		err = guard.Swap(b.context(ctx, t), b.sessions(writes))
		b.done()
		if u, unknown := backends.IsUnknown(err); unknown {
			for _, i := range writes {
				l.doubt(b.ops[i].hash, b.ops[i].ref, t, u)
			}
		}
	}
	for i, op := range b.ops {
		switch {
		case !op.m.Running():
		case err != nil:
			left = append(left, i)
			continue
		default:
			op.m.Answer(0, rules.OK)
			op.take()
		}
		out[i] = op.copied(dir)
	}
	// Those that the batch cannot do were given up: they are not in ops' results.
	for _, i := range left {
		out[i] = CopyResult{}
	}
	return left
}

// batch is one machine for each session, whose calls go out together.
type batch struct {
	l        *Layer
	refs     []kinds.Ref
	dir      Direction
	ops      []*operation
	notAfter time.Time
	cancel   context.CancelFunc
}

func (b *batch) start() error {
	b.notAfter = time.Now().Add(b.l.o.CopyTimeout)
	for _, r := range b.refs {
		op, err := b.l.newCopy(r, b.dir)
		if err != nil {
			return err
		}
		b.ops = append(b.ops, op)
	}
	return nil
}

func (b *batch) release() {
	for _, op := range b.ops {
		op.era.release()
	}
}

// context has the deadline of a batch: the copy timeout, not that of one call.
func (b *batch) context(ctx context.Context, _ rules.Side) context.Context {
	ctx, b.cancel = context.WithDeadline(ctx, b.notAfter)
	return ctx
}

func (b *batch) done() { b.cancel() }

func (b *batch) keys(s rules.Side) []backends.Key {
	ks := make([]backends.Key, len(b.ops))
	for i, op := range b.ops {
		ks[i] = op.key(s)
	}
	return ks
}

// decide feeds each machine the two answers of the batch. writes are the
// sessions to swap; left those that need more than that.
func (b *batch) decide(targets, sources []backends.Record) (writes, left []int) {
	t := b.dir.target()
	for i, op := range b.ops {
		op.target = targets[i]
		for op.m.Running() {
			c := op.m.Calls()[0]
			switch {
			case c.Kind == rules.GuardCall:
				op.m.Answer(0, answerOf(&targets[i]))
				continue
			case c.Kind == rules.ReadCall && c.Side == t.Other():
				op.got[t.Other()] = sources[i]
				a := answerOf(&sources[i])
				switch {
				case a != rules.Hit:
				case targets[i].Found && b.l.equal(&targets[i].Session, &sources[i].Session):
					a = rules.Same
				case op.lags(t.Other(), &sources[i]):
					a = rules.Lags
				}
				op.m.Answer(0, a)
				continue
			case c.Kind == rules.SwapCall && !targets[i].Gone:
				writes = append(writes, i)
			default:
				left = append(left, i)
				op.m = rules.Machine{} // somebody else does it, from the start
			}
			break
		}
		op.take()
	}
	return writes, left
}

func answerOf(r *backends.Record) rules.Answer {
	switch {
	case r.Found:
		return rules.Hit
	case r.Gone:
		return rules.Gone
	}
	return rules.Miss
}

func (b *batch) sessions(which []int) []backends.Session {
	ss := make([]backends.Session, 0, len(which))
	for _, i := range which {
		ss = append(ss, b.ops[i].session(b.dir.target()))
	}
	return ss
}

// Decision is where a session of that hash is by the newest revision that this
// layer has taken, which may be behind what its flags say, or ahead: a note in a
// store counts as well. It knows no kind: Position does.
func (l *Layer) Decision(h flags.Hash) flags.Decision { return l.eras.now.Load().snap.Decide(h) }

// Position is where a session is by the newest revision, for what copies and
// for explain.
func (l *Layer) Position(ref kinds.Ref) (flags.Hash, flags.Decision) {
	h := l.o.Hasher.SumString(ref.ID)
	return h, stays(ref, l.eras.now.Load().snap.Decide(h))
}
