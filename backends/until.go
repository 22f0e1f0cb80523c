package backends

import (
	"context"
	"sync/atomic"
	"time"
)

// Until is a context that ends at a moment, or with its base. It costs nothing
// until somebody asks for Done: no timer, no goroutine, no allocation. A store
// that keeps time itself looks at Deadline and at Base, and spares both.
//
// The zero value is none; Begin makes it one. It must not be copied.
type Until struct {
	base  context.Context
	at    time.Time
	inner atomic.Pointer[inner]
}

type inner struct {
	context.Context
	cancel context.CancelFunc
}

var _ context.Context = (*Until)(nil)

// Begin sets the moment, and what may end it before. The caller ends it with End.
func (u *Until) Begin(base context.Context, at time.Time) { u.base, u.at = base, at }

// End frees what Done has made. It tells whether that was nothing: then nobody
// can be waiting on it any more, and Begin may be called anew.
func (u *Until) End() (unused bool) {
	in := u.inner.Load()
	if in != nil {
		in.cancel()
	}
	return in == nil
}

// Base ends before the moment only where the caller gives up.
func (u *Until) Base() context.Context { return u.base }

// Deadline implements context.Context.
func (u *Until) Deadline() (time.Time, bool) { return u.at, true }

// Done implements context.Context.
func (u *Until) Done() <-chan struct{} {
	if in := u.inner.Load(); in != nil {
		return in.Done()
	}
	in := &inner{}
	in.Context, in.cancel = context.WithDeadline(u.base, u.at)
	if !u.inner.CompareAndSwap(nil, in) {
		in.cancel()
	}
	return u.inner.Load().Done()
}

// Err implements context.Context.
func (u *Until) Err() error {
	if in := u.inner.Load(); in != nil {
		return in.Err()
	}
	if err := u.base.Err(); err != nil {
		return err
	}
	if time.Until(u.at) <= 0 { // one look at the clock, where time.Now takes two
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context.
func (u *Until) Value(key any) any {
	if in := u.inner.Load(); in != nil {
		return in.Value(key) // what package context asks for the cause
	}
	return u.base.Value(key)
}
