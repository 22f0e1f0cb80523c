package frontends

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Observer is told what a server does. It is called from many goroutines and
// must not block. Its strings are the constants below and nothing else.
type Observer interface {
	// Unsupported is one command that was refused because the frontend does
	// not know it, or not in this form.
	Unsupported(class string)
	// Connections is how many are open now.
	Connections(n int)
}

// RequestObserver is an Observer that is told of requests too.
type RequestObserver interface {
	Observer
	// Request is one call of Sessions: a get of three keys is three.
	Request(op, result string, d time.Duration)
}

// Operations of RequestObserver.Request.
const (
	OpGet    = "get"
	OpRead   = "read"
	OpSet    = "set"
	OpAdd    = "add"
	OpTouch  = "touch"
	OpDelete = "delete"
	OpEdit   = "edit"
	OpLock   = "lock"
	OpUnlock = "unlock"
)

// Results of RequestObserver.Request.
const (
	ResultHit     = "hit"     // get, read: found; touch, delete, unlock: done
	ResultMiss    = "miss"    // get, read
	ResultStored  = "stored"  // set, add, edit; lock: granted
	ResultExists  = "exists"  // add; lock: somebody holds it
	ResultMissing = "missing" // touch, delete, unlock: there was nothing
	ResultRefused = "refused" // too large, or a key that no store takes; edit: left as it was
	ResultError   = "error"
)

// Classes of Observer.Unsupported.
const (
	ClassCommand     = "command"     // not known to the frontend
	ClassOption      = "option"      // a known command in a form that is not
	ClassKey         = "key"         // the key is that of no kind
	ClassLock        = "lock"        // what cannot be done to a lock's name
	ClassArithmetic  = "arithmetic"  // INCRBYFLOAT
	ClassConcat      = "concat"      // SETRANGE
	ClassFlush       = "flush"       // flush_all
	ClassMeta        = "meta"        // memcached's meta commands
	ClassBinary      = "binary"      // memcached's binary protocol
	ClassTransaction = "transaction" // WATCH
	ClassPubSub      = "pubsub"      // SUBSCRIBE …
	ClassScan        = "scan"        // SCAN, KEYS …
	ClassScript      = "script"      // a script that is not known
	ClassDatabase    = "database"    // SELECT of another database
)

// Classes lists them, for who makes counters before they count.
var Classes = []string{ClassCommand, ClassOption, ClassKey, ClassLock, ClassArithmetic, ClassConcat,
	ClassFlush, ClassMeta, ClassBinary, ClassTransaction, ClassPubSub, ClassScan, ClassScript, ClassDatabase}

// Observed is s with each call reported to o; s itself where o does not want to
// know.
func Observed(s Sessions, o Observer) Sessions {
	if o, ok := o.(RequestObserver); ok {
		return observed{s, o}
	}
	return s
}

type observed struct {
	Sessions
	o RequestObserver
}

// report picks yes or no by ok, unless there is an error.
func (v observed) report(op string, start time.Time, ok bool, yes, no string, err error) {
	result := no
	switch {
	case errors.Is(err, backends.ErrTooLarge), errors.Is(err, backends.ErrKey), errors.Is(err, backends.ErrRevoked):
		result = ResultRefused
	case err != nil:
		result = ResultError
	case ok:
		result = yes
	}
	v.o.Request(op, result, time.Since(start))
}

func (v observed) Get(ctx context.Context, r kinds.Ref) (backends.Session, bool, error) {
	start := time.Now()
	s, found, err := v.Sessions.Get(ctx, r)
	v.report(OpGet, start, found, ResultHit, ResultMiss, err)
	return s, found, err
}

func (v observed) Read(ctx context.Context, r kinds.Ref) (backends.Session, bool, error) {
	start := time.Now()
	s, found, err := v.Sessions.Read(ctx, r)
	v.report(OpRead, start, found, ResultHit, ResultMiss, err)
	return s, found, err
}

func (v observed) Set(ctx context.Context, r kinds.Ref, s backends.Session) error {
	start := time.Now()
	err := v.Sessions.Set(ctx, r, s)
	v.report(OpSet, start, true, ResultStored, "", err)
	return err
}

func (v observed) Add(ctx context.Context, r kinds.Ref, s backends.Session) (bool, error) {
	start := time.Now()
	stored, err := v.Sessions.Add(ctx, r, s)
	v.report(OpAdd, start, stored, ResultStored, ResultExists, err)
	return stored, err
}

func (v observed) Touch(ctx context.Context, r kinds.Ref, deadline time.Time) (bool, error) {
	start := time.Now()
	found, err := v.Sessions.Touch(ctx, r, deadline)
	v.report(OpTouch, start, found, ResultHit, ResultMissing, err)
	return found, err
}

func (v observed) Delete(ctx context.Context, r kinds.Ref) (bool, error) {
	start := time.Now()
	found, err := v.Sessions.Delete(ctx, r)
	v.report(OpDelete, start, found, ResultHit, ResultMissing, err)
	return found, err
}

func (v observed) Edit(ctx context.Context, r kinds.Ref, fn edit.Func) error {
	start := time.Now()
	var own error
	result := ResultStored
	err := v.Sessions.Edit(ctx, r, func(s backends.Session, found bool) (edit.Change, error) {
		var c edit.Change
		c, own = fn(s, found)
		switch {
		case own == nil && c.Effective(found, start).Action != edit.Leaves:
			result = ResultStored
		case found:
			result = ResultRefused
		default:
			result = ResultMissing
		}
		return c, own
	})
	if err == nil || err == own {
		v.o.Request(OpEdit, result, time.Since(start))
		return err
	}
	v.report(OpEdit, start, false, "", "", err)
	return err
}

func (v observed) Lock(ctx context.Context, r kinds.Ref, o kinds.Owner, ttl time.Duration) (bool, error) {
	start := time.Now()
	granted, err := v.Sessions.Lock(ctx, r, o, ttl)
	v.report(OpLock, start, granted, ResultStored, ResultExists, err)
	return granted, err
}

func (v observed) Unlock(ctx context.Context, r kinds.Ref, o kinds.Owner) (bool, error) {
	start := time.Now()
	released, err := v.Sessions.Unlock(ctx, r, o)
	v.report(OpUnlock, start, released, ResultHit, ResultMissing, err)
	return released, err
}
