package darklaunch

import (
	"context"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// operations are those of requests: one is large, and a request would leave
// nothing else behind.
var operations = sync.Pool{New: func() any { return new(operation) }}

// newOperation is a request's; free ends it. Whatever outlives the request
// takes what it needs of it.
func newOperation() *operation { return operations.Get().(*operation) }

func (op *operation) free() {
	*op = operation{}
	operations.Put(op)
}

var moments = sync.Pool{New: func() any { return new(backends.Until) }}

// until gives fn a context that ends at a moment, for the time of the call. A
// store that asks for Done may keep it; else it serves the next call.
func until(base context.Context, at time.Time, fn func(context.Context) error) error {
	u := moments.Get().(*backends.Until)
	u.Begin(base, at)
	err := fn(u)
	if u.End() {
		moments.Put(u)
	}
	return err
}

// takes tells whether a client's data may be given to the store as it is.
func takes(s backends.Store) bool {
	t, ok := s.(backends.Taker)
	return ok && t.TakesData()
}
