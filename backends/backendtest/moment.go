package backendtest

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// unmoved is for how long the server stands still in the middle of a call, as
// one does on a host that is busy.
const unmoved = 150 * time.Millisecond

// momentCases: a deadline is a moment. What a call waits before the server
// reads it, and what the answer waits, moves nothing, in stores that are exact
// to the millisecond. (memcached's protocol knows only the time left.)
var momentCases = []testCase{
	{"moment/written late, read late", func(e *env) {
		if e.opts.Exactness >= time.Second {
			e.Skip("it keeps whole seconds")
		}
		r := ability[backends.Reader](e)
		e.set(e.key("warm"), "x") // there are connections, and the clock is known
		g, guards := e.store.(backends.Guarder)
		t, touches := e.store.(backends.Toucher)
		a, adds := e.store.(backends.Adder)
		for _, c := range []struct {
			name string
			can  bool
			do   func(ctx context.Context, s backends.Session) func() error
		}{
			{"set", true, func(ctx context.Context, s backends.Session) func() error {
				return func() error { return e.store.Set(ctx, s) }
			}},
			{"touch", touches, func(ctx context.Context, s backends.Session) func() error {
				e.set(s.Key, "data")
				return func() error { _, err := t.Touch(ctx, s.Key, s.Deadline); return err }
			}},
			{"add", adds, func(ctx context.Context, s backends.Session) func() error {
				return func() error { _, err := a.Add(ctx, s); return err }
			}},
			{"swap", guards, func(ctx context.Context, s backends.Session) func() error {
				guard := e.guard(g, s.Key)
				return func() error { return guard.Swap(ctx, s) }
			}},
		} {
			if !c.can {
				continue
			}
			k := e.key(c.name)
			s := backends.Session{Key: k, Data: []byte("data"), Deadline: time.Now().Add(time.Hour)}
			e.slowly(c.name, c.do(e.ctx, s))
			var rec backends.Record
			e.slowly("read", func() (err error) { rec, err = r.Read(e.ctx, k); return err })
			if off := rec.Deadline.Sub(s.Deadline); !rec.Found || off.Abs() > e.opts.Exactness {
				e.Errorf("%s: found %v, the deadline is %v from what was asked for, want within %v", c.name, rec.Found, off, e.opts.Exactness)
			}
		}
	}},
}

// slowly runs f while the server stands still at first.
func (e *env) slowly(name string, f func() error) {
	e.Helper()
	e.must(e.opts.Server.Freeze())
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		e.Errorf("%s: got an answer (%v) from a frozen server", name, err)
		done <- err
	case <-time.After(unmoved):
	}
	e.must(e.opts.Server.Thaw())
	e.must(<-done)
}
