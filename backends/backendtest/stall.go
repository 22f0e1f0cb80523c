package backendtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	// patience is the deadline of a call to a server that stands still.
	patience = 100 * time.Millisecond
	// lateness is how much later than its deadline a call may return. A few
	// milliseconds are promised; the machine of a test may be as busy as it likes,
	// and a store that does not look at the deadline waits for the test's own.
	lateness = 15 * time.Second
)

// stallCases are what a store does while its server takes connections and
// answers nothing.
var stallCases = []testCase{
	{"stall/deadline obeyed, outcome unknown", func(e *env) {
		for i, c := range e.calls() {
			k := e.key(fmt.Sprint(i))
			e.set(k, "before") // there is a connection now
			err := e.stalled(c.name, patience, func(ctx context.Context) error { return c.do(ctx, k) })
			if err == nil {
				e.Fatalf("%s: got an answer from a frozen server", c.name)
			}
			u, unknown := backends.IsUnknown(err)
			if c.name == "set" && !unknown { // a connection is ready: it is sent, if there is time
				u, err = e.unsure(func(d time.Duration) error {
					return e.stalled(c.name, d, func(ctx context.Context) error { return c.do(ctx, k) })
				})
				unknown = true
			}
			switch {
			case c.name == "guard many" && errors.Is(err, backends.ErrApart):
				continue // it need not be asked
			case unknown && c.name != "guard" && c.name != "guard many" && !c.changes:
				e.Errorf("%s: a read has no unknown outcome", c.name)
			case unknown:
				e.ends(u)
				if u.Conn == "" || u.RunID == "" {
					e.Errorf("%s: got conn %q, run id %q, want both", c.name, u.Conn, u.RunID)
				}
			default: // any other error: nothing was changed
				e.wantData(k, "before")
			}
			if !unknown && !errors.Is(err, context.DeadlineExceeded) {
				e.Errorf("%s: got %v, want context.DeadlineExceeded", c.name, err)
			}
		}
	}},
	{"stall/the late effect is accounted for", func(e *env) {
		k := e.key("a")
		e.set(k, "before")
		e.must(e.opts.Server.Freeze())
		defer e.opts.Server.Thaw()
		u, err := e.unsure(func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(e.ctx, d)
			defer cancel()
			return e.store.Set(ctx, e.session(k, "late"))
		})
		e.wantErr(err, context.DeadlineExceeded)
		settle, cancelSettle := context.WithTimeout(e.ctx, patience)
		defer cancelSettle()
		if err := u.Settle(settle); err == nil {
			e.Errorf("settled while the server may still apply the call")
		}
		select {
		case <-u.Done():
			e.Errorf("the doubt has ended while the server may still apply the call")
		default:
		}
		e.must(e.opts.Server.Thaw())
		e.ends(u)
		e.must(u.Settle(e.ctx)) // once Done is closed there is nothing to do
		s, found, err := e.store.Get(e.ctx, k)
		e.must(err)
		if data := string(s.Data); !found || data != "before" && data != "late" {
			e.Errorf("got %v, %s", found, short(data))
		}
		e.set(k, "after")
		for range 20 { // nothing arrives any more
			e.wantData(k, "after")
		}
	}},
	{"stall/settled by asking", func(e *env) {
		k := e.key("a")
		e.set(k, "before")
		u, _ := e.unsure(func(d time.Duration) error {
			return e.stalled("set", d, func(ctx context.Context) error { return e.store.Set(ctx, e.session(k, "late")) })
		})
		e.settles(u)
		e.set(k, "after")
		e.wantData(k, "after")
	}},
	{"stall/cancelled is as late", func(e *env) {
		k := e.key("a")
		e.set(k, "before")
		e.must(e.opts.Server.Freeze())
		defer e.opts.Server.Thaw()
		u, err := e.unsure(func(d time.Duration) error {
			ctx, cancel := context.WithCancel(e.ctx)
			time.AfterFunc(d, cancel)
			begin := time.Now()
			err := e.store.Set(ctx, e.session(k, "late"))
			if took := time.Since(begin); took > d+lateness {
				e.Errorf("cancelled after %v, and it took %v", d, took)
			}
			return err
		})
		e.wantErr(err, context.Canceled)
		e.must(e.opts.Server.Thaw())
		e.ends(u)
	}},
	{"stall/guards", func(e *env) {
		g := ability[backends.Guarder](e)
		for _, name := range []string{"swap", "bury", "revive"} {
			k := e.key(name)
			e.set(k, "before")
			if b, ok := e.store.(backends.Tombstoner); ok && name == "revive" {
				_, err := b.Bury(e.ctx, k, time.Minute)
				e.must(err)
			}
			guard := e.guard(g, k)
			before, found, err := e.store.Get(e.ctx, k)
			e.must(err)
			err = e.stalled(name, patience, func(ctx context.Context) error {
				switch name {
				case "bury":
					return guard.Bury(ctx, time.Minute)
				case "revive":
					return guard.Revive(ctx, e.session(k, "late"))
				}
				return guard.Swap(ctx, e.session(k, "late"))
			})
			guard.Release()
			if u, unknown := backends.IsUnknown(err); unknown {
				e.ends(u)
			} else { // no change was sent
				e.wantErr(err, context.DeadlineExceeded)
				after, stillFound, err := e.store.Get(e.ctx, k)
				e.must(err)
				if found != stillFound || string(before.Data) != string(after.Data) {
					e.Errorf("%s: changed something without an Unknown", name)
				}
			}
			// Modified since, so that nothing late may count.
			e.set(k, "after")
			e.wantData(k, "after")
		}
	}},
	{"stall/connections are bounded", func(e *env) {
		e.set(e.key("warm"), "x")
		e.must(e.opts.Server.Freeze())
		defer e.opts.Server.Thaw()
		var mu sync.Mutex
		var unknowns []*backends.Unknown
		var most time.Duration
		peak := 0
		for round := range 3 {
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					ctx, end := e.within(i%4 < 2, patience)
					defer end()
					k := e.key(fmt.Sprint(round, "-", i))
					begin := time.Now()
					var err error
					if i%2 == 0 {
						err = e.store.Set(ctx, e.session(k, "late"))
					} else {
						_, _, err = e.store.Get(ctx, k)
					}
					took := time.Since(begin)
					mu.Lock()
					defer mu.Unlock()
					most = max(most, took)
					if u, ok := backends.IsUnknown(err); ok {
						unknowns = append(unknowns, u)
					} else if err == nil {
						e.Errorf("got an answer from a frozen server")
					}
				})
			}
			time.Sleep(patience / 2)
			peak = max(peak, e.connections())
			wg.Wait()
			peak = max(peak, e.connections())
		}
		if peak == 0 || peak > e.opts.MaxConnections {
			e.Errorf("%d connections were open, want 1 to %d", peak, e.opts.MaxConnections)
		}
		if most > patience+lateness {
			e.Errorf("a call took %v with a deadline of %v", most, patience)
		}
		if len(unknowns) == 0 {
			e.Errorf("no call has an unknown outcome")
		}
		e.must(e.opts.Server.Thaw())
		for _, u := range unknowns {
			e.ends(u)
		}
		e.eventually("changes succeed again", func() bool {
			ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
			defer cancel()
			return e.store.Set(ctx, e.session(e.key("warm"), "y")) == nil
		})
		if h, ok := e.store.(backends.Healther); ok {
			e.eventually("nothing is parked", func() bool {
				got, err := h.Health(e.ctx)
				return err == nil && got.Parked == 0
			})
		}
	}},
}

// stalled runs f, whose context ends after d, while the server is frozen. It is
// the kind of context that the layer has.
func (e *env) stalled(name string, d time.Duration, f func(context.Context) error) error {
	e.Helper()
	e.must(e.opts.Server.Freeze())
	var ctx backends.Until
	begin := time.Now()
	ctx.Begin(e.ctx, begin.Add(d))
	defer ctx.End()
	err := f(&ctx)
	took := time.Since(begin)
	e.must(e.opts.Server.Thaw())
	if took > d+lateness {
		e.Errorf("%s: took %v with a deadline of %v", name, took, d)
	}
	return err
}

// unsure wants an Unknown of a change that has the time d to be sent. A busy
// machine may not send it within a moment, so it is given more each time.
func (e *env) unsure(change func(d time.Duration) error) (u *backends.Unknown, err error) {
	e.Helper()
	for _, d := range []time.Duration{patience, 10 * patience, 100 * patience} {
		err = change(d)
		if u, unknown := backends.IsUnknown(err); unknown {
			return u, err
		}
	}
	e.Fatalf("got %v, want an Unknown: a connection was ready", err)
	return nil, nil
}

// within gives a context of either kind that ends soon.
func (e *env) within(layers bool, d time.Duration) (ctx context.Context, end func()) {
	if !layers {
		return context.WithTimeout(e.ctx, d)
	}
	u := &backends.Until{}
	u.Begin(e.ctx, time.Now().Add(d))
	return u, func() { u.End() }
}

// ends wants the doubt of u to end by itself once the server answers.
func (e *env) ends(u *backends.Unknown) {
	e.Helper()
	select {
	case <-u.Done():
	case <-time.After(30 * time.Second):
		e.Fatalf("the outcome is still unknown 30s after the server answers again")
	}
}

// connections counts the established connections to the server (proc(5),
// /proc/net/tcp: remote address third, state 01).
func (e *env) connections() int {
	e.Helper()
	_, port, err := net.SplitHostPort(e.opts.Server.Addr())
	e.must(err)
	n, err := strconv.Atoi(port)
	e.must(err)
	f, err := os.Open("/proc/net/tcp")
	e.must(err)
	defer f.Close()
	want, count := fmt.Sprintf(":%04X", n), 0
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) > 3 && strings.HasSuffix(fields[2], want) && fields[3] == "01" {
			count++
		}
	}
	return count
}
