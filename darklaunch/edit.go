package darklaunch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	// editTries is how often an edit begins anew when others write the session
	// at the same time, or the stores differ because somebody is between them.
	editTries = 8
	// editWait is the longest wait before the second try, doubled each time: a
	// quarter of a second in all, twice what a slow store takes for a write.
	editWait = time.Millisecond
)

// errContended is why an edit was given up.
var errContended = errors.New("others write the session, or the stores differ and nothing says which is right: a plain write makes them one")

// editing is what an edit on its way has besides.
type editing struct {
	fn     edit.Func
	guards [2]backends.Guard
	base   backends.Record // what fn was asked about last
	change edit.Change     // what it wants, for that
	err    error           // its refusal
	tries  int
}

// Edit reads a session and makes of it what fn says, if nobody has written it in
// between; else fn is asked again. A nil error means that what fn said last is
// so; fn's own error comes back as it is, and nothing was changed. Any other
// error means that the change is not surely made; it may be made later.
func (d *Door) Edit(ctx context.Context, r kinds.Ref, fn edit.Func) error {
	op := operation{ref: r, edit: &editing{fn: fn}}
	reply, err := d.doWrite(ctx, &op, rules.Edit)
	switch {
	case err != nil:
		return err
	case reply == rules.Done, reply == rules.Refused, reply == rules.Missing:
		return op.edit.err
	}
	return op.unavailable()
}

// Token stands for what a session holds: a client that gives it back says what
// it has read. It is the same through any agent and whichever store answered,
// never 0, and says nothing of the data. It does not notice two changes that
// cancel each other out.
func (d *Door) Token(flags uint32, data []byte) uint64 { return d.l.o.Hasher.Token(flags, data) }

// local answers the calls of an edit that ask no store.
func (op *operation) local(c rules.Call) rules.Answer {
	op.now = time.Time{} // some of them wait
	switch c.Kind {
	case rules.AskCall:
		return op.askFunction(&op.got[c.Side], c.Side)
	case rules.SameCall:
		if c.Side == rules.New {
			return op.same(&op.got[rules.New], &op.edit.base)
		}
		return op.same(&op.got[rules.New], &op.got[rules.Old])
	case rules.OwnCall:
		return op.isOurs(&op.got[c.Side])
	case rules.LeaseCall:
		return op.waitForLeases()
	}
	return op.again()
}

// same compares what was read by data and flags: a touch is no difference.
func (op *operation) same(a, b *backends.Record) rules.Answer {
	if a.Found == b.Found && bytes.Equal(a.Data, b.Data) && !op.l.flagsDiffer(a.Flags, b.Flags) {
		return rules.Same
	}
	return rules.No
}

// isOurs compares what was read with what the edit wrote. A touch leaves nothing that
// could be told from another's.
func (op *operation) isOurs(rec *backends.Record) rules.Answer {
	wrote := backends.Record{Session: op.write, Found: true}
	switch op.edit.change.Action {
	case edit.Touches:
		return rules.No
	case edit.Deletes:
		wrote = backends.Record{}
	}
	return op.same(rec, &wrote)
}

func (op *operation) again() rules.Answer {
	e := op.edit
	op.releaseGuard()
	if e.tries++; e.tries >= editTries {
		op.failure = errContended
		return rules.Err
	}
	t := time.NewTimer(time.Duration(1 + rand.Int64N(int64(editWait<<e.tries))))
	defer t.Stop()
	select {
	case <-t.C:
		return rules.OK
	case <-op.l.calls.Done():
		return rules.Err
	}
}

// askFunction asks what shall become of what a store holds.
func (op *operation) askFunction(rec *backends.Record, s rules.Side) rules.Answer {
	e := op.edit
	e.base = *rec
	sess := rec.Session
	sess.Key = backends.Key{Name: op.ref.Name()}
	if rec.Found && sess.Flags == 0 && !op.l.keepsFlags(s) {
		sess.Flags = op.ref.Kind().Flags
	}
	var want edit.Change
	want, e.err = e.fn(sess, rec.Found)
	if e.err != nil {
		want = edit.Leave()
	}
	want = want.Effective(rec.Found, time.Now())
	e.change = want
	switch want.Action {
	case edit.Writes:
		op.write = want.Session
		op.write.Data = bytes.Clone(op.write.Data) // as in writeOnce
	case edit.Touches:
		op.deadline = want.Session.Deadline
		op.write = sess
		op.write.Deadline, op.write.DeadlineUnknown = op.deadline, false
	case edit.Deletes:
		return rules.Removes
	case edit.Leaves:
		if rec.Found {
			return rules.Leaves
		}
		return rules.LeavesNone
	}
	op.known(&op.write)
	return rules.Writes
}

// editGuard takes a token.
func (op *operation) editGuard(ctx context.Context, st Abilities, s rules.Side) (rules.Answer, error) {
	e := op.edit
	if g := e.guards[s]; g != nil {
		g.Release()
		e.guards[s] = nil
	}
	if !time.Now().Before(op.notAfter) {
		return rules.Err, context.DeadlineExceeded
	}
	g, err := st.Guard(ctx, op.key(s), op.notAfter)
	if err != nil {
		return rules.Err, err
	}
	e.guards[s] = g
	op.got[s] = g.Record()
	if op.lags(s, &op.got[s]) {
		return rules.Lags, nil
	}
	return answerOf(&op.got[s]), nil
}

// editSwap makes the change by the token.
func (op *operation) editSwap(ctx context.Context, c rules.Call) (rules.Answer, error) {
	g := op.edit.guards[c.Side]
	if g == nil {
		return rules.Err, fmt.Errorf("darklaunch: no token for %s", c.Kind)
	}
	switch c.Kind {
	case rules.SwapCall:
		return conflictNo(g.Over(ctx, op.session(c.Side)))
	case rules.RemoveIfCall:
		if g.Record().Gone {
			return rules.OK, nil // there is none, and it is known
		}
		// One whose deadline is past: no tombstone that nobody would look for.
		return conflictNo(g.Over(ctx, backends.Session{Key: op.key(c.Side), Deadline: time.Unix(1, 0)}))
	}
	ttl := op.buryTTL(c.Side)
	err := g.Bury(ctx, ttl)
	op.buried(err, ttl)
	return conflictNo(err)
}

// became is the plain operation that an edit came to, for who follows a
// session's life.
func (op *operation) became(kind rules.Op, r rules.Reply) rules.Op {
	if kind != rules.Edit {
		return kind
	}
	if r != rules.Done {
		return rules.Get
	}
	switch op.edit.change.Action {
	case edit.Touches:
		return rules.Touch
	case edit.Deletes:
		return rules.Delete
	}
	return rules.Set
}
