package backendtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// call is one call of one ability, for promises that all calls share.
type call struct {
	name string
	// changes is set where the call may change the store, so that without an
	// answer it returns an Unknown.
	changes bool
	keyless bool // it takes no key
	do      func(ctx context.Context, k backends.Key) error
}

// calls lists every call that the store has. The key of a changing call holds
// the session "before", except where the call is named for a missing one.
func (e *env) calls() []call {
	sess := func(k backends.Key) backends.Session { return e.session(k, "after") }
	cs := []call{
		{"get", false, false, func(ctx context.Context, k backends.Key) error {
			_, found, err := e.store.Get(ctx, k)
			return answered(found, err)
		}},
		{"set", true, false, func(ctx context.Context, k backends.Key) error { return e.store.Set(ctx, sess(k)) }},
		{"set past", true, false, func(ctx context.Context, k backends.Key) error {
			return e.store.Set(ctx, backends.Session{Key: k, Deadline: time.Now().Add(-time.Hour)})
		}},
		{"delete", true, false, func(ctx context.Context, k backends.Key) error {
			_, err := e.store.Delete(ctx, k)
			return err
		}},
	}
	if s, ok := e.store.(backends.Reader); ok {
		cs = append(cs, call{"read", false, false, func(ctx context.Context, k backends.Key) error {
			r, err := s.Read(ctx, k)
			return answered(r.Found, err)
		}})
	}
	if s, ok := e.store.(backends.BatchReader); ok {
		cs = append(cs, call{"read many", false, false, func(ctx context.Context, k backends.Key) error {
			_, err := s.ReadMany(ctx, []backends.Key{e.key("other"), k})
			return err
		}})
	}
	if s, ok := e.store.(backends.Toucher); ok {
		cs = append(cs, call{"touch", true, false, func(ctx context.Context, k backends.Key) error {
			_, err := s.Touch(ctx, k, time.Now().Add(time.Hour))
			return err
		}})
	}
	if s, ok := e.store.(backends.Adder); ok {
		cs = append(cs, call{"add", true, false, func(ctx context.Context, k backends.Key) error {
			_, err := s.Add(ctx, sess(k))
			return err
		}}, call{"add with undo", true, false, func(ctx context.Context, k backends.Key) error {
			_, u, err := s.AddUndo(ctx, sess(k))
			if u != nil {
				u.Release()
			}
			return err
		}})
	}
	if s, ok := e.store.(backends.Tombstoner); ok {
		cs = append(cs, call{"bury", true, false, func(ctx context.Context, k backends.Key) error {
			_, err := s.Bury(ctx, k, time5s)
			return err
		}}, call{"revive", true, false, func(ctx context.Context, k backends.Key) error { return s.Revive(ctx, sess(k)) }})
	}
	if s, ok := e.store.(backends.Guarder); ok {
		// On a store that claims absent keys, this one may change something.
		cs = append(cs, call{"guard", false, false, func(ctx context.Context, k backends.Key) error {
			g, err := s.Guard(ctx, k, time.Now().Add(time5s))
			if err == nil {
				g.Release()
			}
			return err
		}})
	}
	if s, ok := e.store.(backends.BatchGuarder); ok {
		cs = append(cs, call{"guard many", false, false, func(ctx context.Context, k backends.Key) error {
			g, err := s.GuardMany(ctx, []backends.Key{e.key("other"), k}, time.Now().Add(time5s))
			if err == nil {
				g.Release()
			}
			return err
		}})
	}
	if s, ok := e.store.(backends.Marker); ok {
		cs = append(cs, call{"marks", false, false, func(ctx context.Context, k backends.Key) error {
			_, err := s.Marks(ctx, k)
			return err
		}}, call{"put mark", true, false, func(ctx context.Context, k backends.Key) error {
			return s.PutMark(ctx, k, mark(1, 1), time5s)
		}}, call{"drop marks", true, false, func(ctx context.Context, k backends.Key) error {
			return s.DropMarks(ctx, k, []backends.Mark{mark(1, 1)})
		}})
	}
	if s, ok := e.store.(backends.Locker); ok {
		cs = append(cs, call{"lock", true, false, func(ctx context.Context, k backends.Key) error {
			_, err := s.Lock(ctx, k, "holder", time5s)
			return err
		}}, call{"unlock", true, false, func(ctx context.Context, k backends.Key) error {
			_, err := s.Unlock(ctx, k, "holder")
			return err
		}}, call{"lock value", false, false, func(ctx context.Context, k backends.Key) error {
			_, _, err := s.LockValue(ctx, k)
			return err
		}})
	}
	if s, ok := e.store.(backends.Scanner); ok {
		cs = append(cs, call{"scan", false, true, func(ctx context.Context, _ backends.Key) error {
			return s.Scan(ctx, e.prefix, func([]string) error { return nil })
		}})
	}
	if s, ok := e.store.(backends.Healther); ok {
		cs = append(cs, call{"health", false, true, func(ctx context.Context, _ backends.Key) error {
			_, err := s.Health(ctx)
			return err
		}})
	}
	return cs
}

var errFoundAndError = errors.New("found is set beside an error")

// answered checks that an error never comes with an answer.
func answered(found bool, err error) error {
	if err != nil && found {
		return errors.Join(err, errFoundAndError)
	}
	return err
}

const time5s = 5 * time.Second

var callCases = []testCase{
	{"call/cancelled context", func(e *env) {
		cancelled, cancel := context.WithCancel(e.ctx)
		cancel()
		e.refuses(cancelled, context.Canceled)
	}},
	{"call/context past its deadline", func(e *env) {
		late, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
		defer cancel()
		e.refuses(late, context.DeadlineExceeded)
	}},
}

// refuses checks that no call does anything under ctx.
func (e *env) refuses(ctx context.Context, want error) {
	for i, c := range e.calls() {
		k := e.key(fmt.Sprint(i))
		e.set(k, "before")
		begin := time.Now()
		err := c.do(ctx, k)
		if !errors.Is(err, want) {
			e.Errorf("%s: got %v, want %v", c.name, err, want)
		}
		if _, unknown := backends.IsUnknown(err); unknown {
			e.Errorf("%s: got an Unknown for a call that need not be sent", c.name)
		}
		if took := time.Since(begin); took > lateness {
			e.Errorf("%s: took %v", c.name, took)
		}
		e.wantData(k, "before")
	}
}
