package backendtest

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// goneCases are what a store does while its server is not there.
var goneCases = []testCase{
	{"gone/errors, never misses", func(e *env) {
		e.set(e.key("a"), "data")
		e.must(e.opts.Server.Kill())
		defer e.restart()
		for i, c := range e.calls() {
			ctx, cancel := context.WithTimeout(e.ctx, 250*time.Millisecond)
			begin := time.Now()
			err := c.do(ctx, e.key(fmt.Sprint(i)))
			took := time.Since(begin)
			cancel()
			if err == nil {
				e.Errorf("%s: got an answer from a server that is gone", c.name)
			}
			if took > 250*time.Millisecond+lateness {
				e.Errorf("%s: took %v with a deadline of 250ms", c.name, took)
			}
		}
	}},
	{"gone/back again", func(e *env) {
		k := e.key("a")
		e.set(k, "data")
		var before backends.Health
		h, ok := e.store.(backends.Healther)
		if ok {
			var err error
			before, err = h.Health(e.ctx)
			e.must(err)
		}
		e.must(e.opts.Server.Kill())
		e.restart()
		// Idle connections are dead now. A read may meet one; it is soon over.
		e.eventually("the store answers again", func() bool {
			ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
			defer cancel()
			_, found, err := e.store.Get(ctx, k)
			if found {
				e.Fatalf("a server that lost everything has the session")
			}
			return err == nil
		})
		e.eventually("changes succeed again", func() bool {
			ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
			defer cancel()
			return e.store.Set(ctx, e.session(k, "again")) == nil
		})
		e.wantData(k, "again")
		if ok {
			after, err := h.Health(e.ctx)
			e.must(err)
			if after.RunID == before.RunID {
				e.Errorf("the run id %q has not changed with a restart", after.RunID)
			}
		}
	}},
	{"gone/in the middle of a change", func(e *env) {
		// That the call was sent cannot be seen. On a busy machine the server may
		// be gone before: then nothing was changed, and a longer wait shows more.
		for _, wait := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second} {
			if u, unknown := backends.IsUnknown(e.killedBefore(wait)); unknown {
				e.restart()
				e.settles(u)
				return
			}
			e.restart()
		}
		e.Errorf("no Unknown: the change may have been applied")
	}},
}

// killedBefore is the error of a change that a stopped server was sent, when
// that is killed after wait.
func (e *env) killedBefore(wait time.Duration) error {
	k := e.key("a")
	e.eventually("the server answers", func() bool { _, _, err := e.store.Get(e.ctx, k); return err == nil })
	e.eventually("a change is answered", func() bool { // not on a connection that the last kill has cut
		return e.store.Set(e.ctx, e.session(k, "data")) == nil
	})
	e.must(e.opts.Server.Freeze())
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(e.ctx, time.Minute)
		defer cancel()
		result <- e.store.Set(ctx, e.session(k, "late"))
	}()
	time.Sleep(wait)
	e.must(e.opts.Server.Kill())
	begin := time.Now()
	select {
	case err := <-result:
		if err == nil {
			e.Fatalf("a change that a killed server was sent succeeded")
		}
		if took := time.Since(begin); took > lateness {
			e.Errorf("a lost connection was noticed after %v", took)
		}
		return err
	case <-time.After(90 * time.Second):
		e.Fatalf("the call has not returned")
	}
	return nil
}

// restart brings the server back after a case that killed it.
func (e *env) restart() {
	e.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := e.opts.Server.Restart(ctx); err != nil {
		e.Fatalf("restart: %v", err)
	}
}

// settles wants the doubt of u to end, by itself or by Settle.
func (e *env) settles(u *backends.Unknown) {
	e.Helper()
	var last error
	e.eventually("an unknown call is settled", func() bool {
		ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
		defer cancel()
		if last = u.Settle(ctx); last != nil {
			return false
		}
		select {
		case <-u.Done():
		default:
			e.Fatalf("Settle returned nil and Done is open")
		}
		return true
	})
}
