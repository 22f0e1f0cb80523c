package darklaunch

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// operation drives one rules.Machine: it makes the calls that the machine asks
// for and keeps what they return.
type operation struct {
	l       *Layer
	era     *era
	at      flags.Decision
	ref     kinds.Ref
	hash    flags.Hash
	m       rules.Machine
	purpose Purpose

	write    backends.Session // what the client writes; Key is filled in for each side
	deadline time.Time        // of a touch
	from     time.Time        // when the deadline of calls begins; zero: at each call
	exact    bool             // the client wants the deadline with the data
	now      time.Time        // when the last call ended, or the operation began; zero: some time has passed since
	edit     *editing         // of an edit

	got      [2]backends.Record // what was read from each store
	target   backends.Record    // what a copy's target held
	guard    backends.Guard
	undo     backends.Undo
	own      []backends.Mark // our entries, as they were seen
	notAfter time.Time       // of a copy
	queued   time.Time       // when it was queued, of a mirrored write
	lock     string          // the grant's value
	lockTTL  time.Duration
	leases   time.Time     // when the last clean lease from before our mark ends
	cleans   bool          // it was begun for what is dirty, and may end that
	slots    chan struct{} // of copies, of which this one holds one
	effects  rules.Effects // all there were
	failure  error         // the newest error of a store, to be logged
}

// run drives the machine to its end.
func (op *operation) run() rules.Reply {
	op.take()
	for op.m.Running() {
		calls := op.m.Calls()
		if calls[1].Kind == rules.NoCall {
			op.m.Answer(0, op.call(calls[0]))
		} else {
			op.both(calls)
		}
		op.take()
	}
	op.release()
	return op.m.Reply()
}

// both makes two reads at the same time. The machine may have its reply before
// the second has answered; that one then ends by itself, at its deadline.
func (op *operation) both(calls [2]rules.Call) {
	// One deadline, taken before either is made: a repair removes the mark one
	// deadline after its swap, and a look that begins late must not see that.
	op.from = time.Now()
	second := make(chan readAnswer, 1)
	go func(o operation) { second <- o.read(calls[1]) }(*op)
	first := op.call(calls[0])
	op.from = time.Time{}
	op.m.Answer(0, first)
	if op.m.Calls()[1] != calls[1] {
		return // no longer waited for
	}
	r := <-second
	op.now = time.Time{}
	op.got[calls[1].Side] = r.rec
	if r.err != nil {
		op.failure = r.err
	}
	op.m.Answer(1, r.answer)
}

// take does what the machine wants done besides.
func (op *operation) take() {
	fx := op.m.TakeEffects()
	if fx == 0 {
		return
	}
	op.effects |= fx
	l := op.l
	if fx&rules.DirtyNew != 0 {
		l.soil(op.hash, op.ref, rules.New)
	}
	if fx&rules.DirtyOld != 0 {
		l.soil(op.hash, op.ref, rules.Old)
	}
	if fx&rules.CleanNew != 0 && op.cleans {
		l.cleanse(op.hash, op.ref, rules.New)
	}
	if fx&rules.CleanOld != 0 && op.cleans && !l.inDoubt(op.hash, op.ref) {
		l.cleanse(op.hash, op.ref, rules.Old)
	}
	if fx&rules.IsBehind != 0 {
		l.behind.Store(true)
	}
	if fx&rules.QueueWrite != 0 {
		l.enqueue(op)
	}
	if fx&rules.QueueRefill != 0 {
		l.refill(op)
	}
	for _, f := range fallbacks {
		if fx&f.effect != 0 {
			l.seen(op.ref).Fallback(f.reason)
		}
	}
}

var fallbacks = []struct {
	effect rules.Effects
	reason string
}{{rules.ByMiss, "miss"}, {rules.ByError, "error"}, {rules.ByMark, "marked"}, {rules.Unmarked, "unmarked"}}

func (op *operation) releaseGuard() {
	if op.guard != nil {
		op.guard.Release()
		op.guard = nil
	}
	if op.edit != nil {
		for i, g := range op.edit.guards {
			if g != nil {
				g.Release()
				op.edit.guards[i] = nil
			}
		}
	}
}

func (op *operation) release() {
	op.releaseGuard()
	if op.undo != nil {
		op.undo.Release()
		op.undo = nil
	}
}

// key is the session's key in a store.
func (op *operation) key(s rules.Side) backends.Key {
	if s == rules.Old {
		return op.ref.OldKey()
	}
	return op.ref.NewKey()
}

func (op *operation) lockKey(s rules.Side) backends.Key {
	if s == rules.Old {
		return op.ref.OldLock()
	}
	return op.ref.NewLock()
}

// essential tells whether the call is always made: its failure is the client's
// failure, as it would be without Crossfade, or that of a copy that somebody
// asked for. Any other call is skipped while the store's breaker is open.
func (op *operation) essential(c rules.Call) bool {
	switch op.m.Op() {
	case rules.Copy, rules.CopyBack:
		return true
	}
	if op.purpose != Request {
		return false
	}
	old := c.Side == rules.Old
	switch op.m.Position() {
	case position.Off, position.Mirror, position.Fenced:
		return old
	case position.ReadNew:
		if !old && op.l.env(op.at)&(rules.OldDown|rules.Behind) != 0 {
			return true // it is the only one
		}
		switch c.Kind {
		case rules.LockCall, rules.UnlockCall, rules.PutMarkCall, rules.ListCall:
			return true
		case rules.MarkCall, rules.ReadCall:
			return false
		}
		return old && op.l.env(op.at)&rules.Settled == 0
	case position.Sealed:
		return true
	case position.Cutover:
		return !old
	case position.Back:
		return !old || c.Kind == rules.LockCall || c.Kind == rules.UnlockCall
	}
	return false
}

// call makes one call, with the store's deadline, and says what it came to.
func (op *operation) call(c rules.Call) rules.Answer {
	if c.Kind == rules.WaitCall {
		return op.wait()
	}
	if c.Kind.Local() {
		return op.local(c)
	}
	if c.Kind == rules.ReadCall {
		r := op.read(c)
		op.got[c.Side] = r.rec
		if r.err != nil {
			op.failure = r.err
		}
		return r.answer
	}
	var a rules.Answer
	err := op.l.timed(op, c, func(ctx context.Context) (err error) {
		a, err = op.change(ctx, c)
		return err
	})
	if err == nil {
		op.l.noteChange(op, c)
		return a
	}
	op.failure = err
	if refuses(err) {
		return rules.Refuses
	}
	if u, ok := backends.IsUnknown(err); ok {
		op.l.doubt(op.hash, op.ref, c.Side, u)
		return rules.Unknown
	}
	if c.Kind == rules.MarkCall && op.l.told.has(op.hash) {
		return rules.Marked // old does not say, and another agent does
	}
	return rules.Err
}

// refuses tells whether a store that works does not take this session.
func refuses(err error) bool {
	return errors.Is(err, backends.ErrTooLarge) || errors.Is(err, backends.ErrKey) || errors.Is(err, backends.ErrRevoked)
}

var errSkipped = errors.New("darklaunch: skipped, the breaker is open")

// timed makes a call under its deadline, the breaker and the metrics.
func (l *Layer) timed(op *operation, c rules.Call, fn func(context.Context) error) error {
	b := &l.breakers[c.Side]
	essential := op.essential(c)
	if !essential && !b.allow(time.Now()) {
		return errSkipped
	}
	began := op.now
	if began.IsZero() {
		began = time.Now()
	}
	from := began
	if !op.from.IsZero() {
		from = op.from
	}
	err := until(l.calls, from.Add(l.side(c.Side).Timeout), fn)
	now := began.Add(time.Since(began)) // one look at the clock, where time.Now takes two
	op.now = now
	ok := err == nil || errors.Is(err, backends.ErrConflict) || refuses(err)
	if errors.Is(err, backends.ErrBusy) {
		b.undecided()
	} else {
		b.done(now, ok)
	}
	l.seen(op.ref).StoreCall(c.Side, classOf(c.Kind), op.purpose, now.Sub(began))
	if !ok {
		l.seen(op.ref).StoreError(c.Side, errors.Is(err, context.DeadlineExceeded))
	}
	return err
}

func classOf(k rules.Kind) Class {
	switch k {
	case rules.ReadCall, rules.MarkCall, rules.GuardCall:
		return Read
	case rules.TouchCall:
		return Touch
	case rules.DeleteCall, rules.BuryCall, rules.BuryIfCall, rules.RemoveIfCall, rules.UndoCall:
		return Delete
	case rules.LockCall, rules.UnlockCall:
		return Lock
	}
	return Write
}

// wait lets every read end that began before now.
func (op *operation) wait() rules.Answer {
	op.releaseGuard() // nothing was to be written, or it is written
	op.now = time.Time{}
	if op.slots != nil { // others may copy meanwhile
		<-op.slots
		defer func() { op.slots <- struct{}{} }()
	}
	t := time.NewTimer(max(op.l.o.Old.Timeout, op.l.o.New.Timeout))
	defer t.Stop()
	select {
	case <-t.C:
		return rules.OK
	case <-op.l.calls.Done():
		return rules.Err
	}
}

type readAnswer struct {
	answer rules.Answer
	rec    backends.Record
	err    error
}

// read reads the session from one store. It changes nothing of the operation,
// so that it may run beside another call.
func (op *operation) read(c rules.Call) readAnswer {
	var r readAnswer
	r.err = op.l.timed(op, c, func(ctx context.Context) (err error) {
		r.rec, err = op.fetch(ctx, c.Side)
		return err
	})
	r.answer = answerOf(&r.rec)
	switch {
	case r.err != nil:
		r.answer = rules.Err
	case r.rec.Found && op.sameAsTarget(c.Side, &r.rec):
		r.answer = rules.Same
	case r.rec.Found && op.lags(c.Side, &r.rec):
		r.answer = rules.Lags
	}
	return r
}

// fetch reads no more than is needed: a client's get needs neither the deadline
// nor, when it hits, the tombstone.
func (op *operation) fetch(ctx context.Context, s rules.Side) (backends.Record, error) {
	st, k := op.l.store(s), op.key(s)
	if op.m.Op() != rules.Get || op.exact {
		return st.Read(ctx, k)
	}
	sess, found, err := st.Get(ctx, k)
	if err != nil || found {
		return backends.Record{Session: sess, Found: found}, err
	}
	switch op.m.Position() {
	case position.ReadNew, position.Sealed:
		if s == rules.New {
			return st.Read(ctx, k)
		}
	}
	return backends.Record{}, nil
}

// sameAsTarget tells whether what a copy's source holds is what its target
// holds already, or what an add finds is what it has written.
func (op *operation) sameAsTarget(s rules.Side, rec *backends.Record) bool {
	switch op.m.Op() {
	case rules.Add:
		return s == rules.New && bytes.Equal(rec.Data, op.write.Data)
	case rules.Repair, rules.Copy, rules.CopyBack:
		if op.guard == nil {
			return false
		}
		return op.target.Found && op.l.equal(&op.target.Session, &rec.Session)
	}
	return false
}

// lags tells whether what a copy's source holds may be older than what its
// target holds, or than the delete that left a tombstone there: it came from
// old's slower tier, or another host has had the session since.
func (op *operation) lags(s rules.Side, rec *backends.Record) bool {
	if op.m.Op() == rules.Edit {
		return s == rules.Old && rec.Found && rec.Lagging
	}
	if s != rules.Old || op.m.Op() != rules.Copy && op.m.Op() != rules.Repair {
		return false
	}
	hosts := op.l.hosts && op.m.Op() == rules.Copy // what is repaired was written here
	if hosts && op.target.Gone {
		return true
	}
	return op.target.Found && (rec.Lagging || hosts) && !op.l.later(&rec.Session, &op.target.Session)
}
