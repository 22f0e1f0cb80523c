package darklaunch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Door is a way into the layer: its methods are what a client can do, and its
// name is the frontend in the metrics. A nil error with found false means that
// the session is missing; any error means that this could not be said, or that
// the write is not surely kept.
type Door struct {
	l    *Layer
	name string
}

// Door gives a way in. name is a word of a closed set: memcached, redis, http,
// library.
func (l *Layer) Door(name string) *Door { return &Door{l, name} }

// Resolve tells which session, or lock, a client's name stands for.
func (d *Door) Resolve(name []byte) (kinds.Ref, bool) { return d.l.o.Kinds.Resolve(name) }

// ResolveString is Resolve of a string.
func (d *Door) ResolveString(name string) (kinds.Ref, bool) { return d.l.o.Kinds.ResolveString(name) }

// Get returns the data and flags of a session. The deadline may be unknown.
func (d *Door) Get(ctx context.Context, r kinds.Ref) (backends.Session, bool, error) {
	return d.get(ctx, r, false)
}

// Read is Get with the deadline, where the store knows it.
func (d *Door) Read(ctx context.Context, r kinds.Ref) (backends.Session, bool, error) {
	return d.get(ctx, r, true)
}

func (d *Door) get(ctx context.Context, r kinds.Ref, exact bool) (backends.Session, bool, error) {
	op := newOperation()
	defer op.free()
	op.ref, op.hash, op.purpose, op.exact = r, d.l.o.Hasher.SumString(r.ID), Request, exact
	began := time.Now()
	op.now = began
	if err := d.l.begin(op, rules.Get); err != nil {
		return backends.Session{}, false, err
	}
	defer op.era.release()
	reply := op.run()
	d.observe(op, rules.Get, reply, began)
	if reply != rules.Error {
		d.l.follow(op, reply)
	}
	side := rules.New
	switch reply {
	case rules.HitOld:
		side = rules.Old
	case rules.HitNew:
	case rules.Missing:
		d.l.sample(op, reply)
		return backends.Session{}, false, nil
	default:
		return backends.Session{}, false, op.unavailable()
	}
	d.l.sample(op, reply)
	s := op.got[side].Session
	s.Key = backends.Key{Name: r.Name()}
	if s.Flags == 0 && !d.l.keepsFlags(side) {
		s.Flags = r.Kind().Flags
	}
	return s, true, nil
}

// Set writes a session. Of s the data, flags and deadline count. The data is
// not kept after the call.
func (d *Door) Set(ctx context.Context, r kinds.Ref, s backends.Session) error {
	now := time.Now()
	if s.Expired(now) { // as a delete, with its tombstone
		_, err := d.Delete(ctx, r)
		return err
	}
	op := newOperation()
	defer op.free()
	op.ref, op.write, op.now = r, s, now
	reply, err := d.doWrite(ctx, op, rules.Set)
	if err == nil && reply != rules.Done {
		err = op.unavailable()
	}
	return err
}

// Add writes a session where there is none; stored tells whether there was none.
func (d *Door) Add(ctx context.Context, r kinds.Ref, s backends.Session) (stored bool, err error) {
	if s.Expired(time.Now()) {
		return d.probe(ctx, r, s)
	}
	op := newOperation()
	defer op.free()
	op.ref, op.write = r, s
	return d.yesOrNo(ctx, op, rules.Add, rules.Refused)
}

// probe is an add that leaves nothing, since its deadline is past: PHP's strict
// mode asks in this way whether an id exists. Nothing is mirrored.
func (d *Door) probe(ctx context.Context, r kinds.Ref, _ backends.Session) (stored bool, err error) {
	_, found, err := d.get(ctx, r, false)
	return !found, err
}

// Touch moves the deadline of a session.
func (d *Door) Touch(ctx context.Context, r kinds.Ref, deadline time.Time) (found bool, err error) {
	if !deadline.IsZero() && !deadline.After(time.Now()) { // as a delete, with its tombstone
		return d.Delete(ctx, r)
	}
	op := newOperation()
	defer op.free()
	op.ref, op.deadline = r, deadline
	return d.yesOrNo(ctx, op, rules.Touch, rules.Missing)
}

// Delete removes a session: a logout. found tells whether there was one.
func (d *Door) Delete(ctx context.Context, r kinds.Ref) (found bool, err error) {
	op := newOperation()
	defer op.free()
	op.ref = r
	return d.yesOrNo(ctx, op, rules.Delete, rules.Missing)
}

// yesOrNo runs a write that is answered by yes or by no.
func (d *Door) yesOrNo(ctx context.Context, op *operation, kind rules.Op, no rules.Reply) (bool, error) {
	reply, err := d.doWrite(ctx, op, kind)
	switch {
	case err != nil:
		return false, err
	case reply == rules.Done, reply == no:
		return reply == rules.Done, nil
	case errors.Is(op.failure, backends.ErrRevoked):
		return false, nil // there is none any more
	}
	return false, op.unavailable()
}

// doWrite runs a write. Where old decides, and finds that somebody has deleted
// the session behind its back, the other store has to lose it too. Where new
// decides, old may have lost what nobody wrote there: it is dirty.
func (d *Door) doWrite(ctx context.Context, op *operation, kind rules.Op) (rules.Reply, error) {
	reply, err := d.writeOnce(ctx, op, kind)
	if errors.Is(op.failure, backends.ErrRevoked) && kind != rules.Delete && reply == rules.Error {
		d.l.bypassed.Add(1)
		if _, err := d.Delete(ctx, op.ref); err != nil {
			return rules.Error, fmt.Errorf("a session that was deleted by others is not gone yet: %w", err)
		}
	}
	return reply, err
}

// writeOnce runs one at a time for a session, after what is queued of it where
// both stores are written before the answer.
func (d *Door) writeOnce(ctx context.Context, op *operation, kind rules.Op) (rules.Reply, error) {
	l := d.l
	op.hash, op.purpose = l.o.Hasher.SumString(op.ref.ID), Request
	// The caller's slice is his again after the answer, and a store that did
	// not answer in time may still be sending it.
	if !l.taken {
		op.write.Data = bytes.Clone(op.write.Data)
	}
	began := op.now
	if began.IsZero() {
		began = time.Now()
	}
	op.notAfter = began.Add(l.o.CopyTimeout)
	most := began.Add(l.o.Old.Timeout + l.o.New.Timeout) // to wait for other writes
	drained := false
	op.now = began
	for {
		err := until(ctx, most, func(ctx context.Context) error {
			waited, err := l.table.lockWrite(ctx, op.hash, op.ref, drained)
			if waited {
				op.now = time.Time{}
			}
			return err
		})
		if err != nil {
			return rules.Error, fmt.Errorf("%w: other writes of the session are still under way", ErrUnavailable)
		}
		if err := l.begin(op, kind); err != nil {
			l.table.unlockWrite(op.hash, op.ref)
			return rules.Error, err
		}
		if drained || !synchronous(op.at.Position) {
			break
		}
		// The position is known only now: wait for the queue, and look again.
		drained = true
		queued := false
		l.table.with(op.hash, op.ref, func(s *session) { queued = s.queued > 0 })
		if !queued {
			break
		}
		op.era.release()
		l.table.unlockWrite(op.hash, op.ref)
	}
	defer l.table.unlockWrite(op.hash, op.ref)
	defer op.era.release()
	reply := op.run()
	d.observe(op, kind, reply, began)
	l.followWrite(op, kind, reply)
	return reply, nil
}

// synchronous tells whether both stores are written before the answer.
func synchronous(p position.Position) bool {
	switch p {
	case position.Off, position.Mirror, position.Cutover:
		return false
	}
	return true
}

// unavailable is the error of an operation that could not be done.
func (op *operation) unavailable() error {
	switch {
	case op.failure == nil:
		return ErrUnavailable
	case refuses(op.failure):
		return op.failure
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, op.failure)
}

func (d *Door) observe(op *operation, kind rules.Op, r rules.Reply, began time.Time) {
	d.l.seen(op.ref).Request(d.name, kind, op.at.Position, result(kind, r), op.since(began))
	d.note(op, kind, r)
}

// since is the time from began to the operation's end.
func (op *operation) since(began time.Time) time.Duration {
	if op.now.IsZero() {
		return time.Since(began)
	}
	return op.now.Sub(began)
}

func result(kind rules.Op, r rules.Reply) string {
	switch r {
	case rules.HitOld, rules.HitNew:
		return "hit"
	case rules.Missing:
		if kind == rules.Get {
			return "miss"
		}
		return "missing"
	case rules.Done:
		return "stored"
	case rules.Refused:
		if kind == rules.Add {
			return "exists"
		}
		return "refused"
	}
	return "error"
}
