package backendtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// mark is one of agent number a.
func mark(a int, write uint64) backends.Mark {
	return backends.Mark{Agent: fmt.Sprintf("%016x", a), Write: write}
}

var markCases = []testCase{
	{"mark/none", func(e *env) {
		m := ability[backends.Marker](e)
		e.wantMarks(m, e.key("a"))
		e.must(m.DropMarks(e.ctx, e.key("a"), []backends.Mark{mark(1, 1)}))
		e.must(m.DropMarks(e.ctx, e.key("a"), nil))
		e.wantMarks(m, e.key("a"))
	}},
	{"mark/is a set", func(e *env) {
		m := ability[backends.Marker](e)
		k := e.key("a")
		unknown := mark(2, 1<<64-1)
		unknown.Conn, unknown.RunID = "127.0.0.1:54321", "0a1b2c3d4e5f"
		all := []backends.Mark{mark(1, 1), mark(1, 2), unknown, mark(2, 1)}
		for i, one := range all {
			e.must(m.PutMark(e.ctx, k, one, time.Minute))
			e.must(m.PutMark(e.ctx, k, one, time.Minute)) // twice is once
			e.wantMarks(m, k, all[:i+1]...)
		}
		e.must(m.DropMarks(e.ctx, k, []backends.Mark{mark(1, 1), mark(9, 9)}))
		e.wantMarks(m, k, all[1:]...)
		e.must(m.DropMarks(e.ctx, k, all[1:3]))
		e.wantMarks(m, k, all[3])
		e.must(m.DropMarks(e.ctx, k, all[3:]))
		e.wantMarks(m, k)
	}},
	{"mark/conn of any form", func(e *env) {
		m := ability[backends.Marker](e)
		k := e.key("a")
		for _, conn := range []string{"id:42", "[::1]:80", "unix:/run/a b.sock", "100% \"odd\"\n", ""} {
			one := mark(1, 1)
			one.Conn, one.RunID = conn, "run|"+conn
			e.must(m.PutMark(e.ctx, k, one, time.Minute))
			e.wantMarks(m, k, one)
			e.must(m.DropMarks(e.ctx, k, []backends.Mark{one}))
		}
	}},
	{"mark/beside the session", func(e *env) {
		m := ability[backends.Marker](e)
		k := e.key("a")
		e.must(m.PutMark(e.ctx, k, mark(1, 1), time.Minute))
		e.wantMissing(k)
		e.set(k, "data")
		e.wantMarks(m, k, mark(1, 1))
		e.delete(k)
		e.wantMarks(m, k, mark(1, 1))
		e.wantMarks(m, e.key("b"))
	}},
	{"mark/runs out", func(e *env) {
		m := ability[backends.Marker](e)
		k, d := e.before(func(k backends.Key, d time.Time) error {
			return m.PutMark(e.ctx, k, mark(1, 1), time.Until(d))
		})
		e.must(m.PutMark(e.ctx, e.key("b"), mark(1, 1), 0))
		for {
			ms, err := m.Marks(e.ctx, k)
			e.must(err)
			if len(ms) == 0 {
				break
			}
			if time.Now().After(d.Add(2*e.opts.Exactness + time.Second)) {
				e.Fatalf("the mark is there %v after its end", time.Since(d))
			}
			time.Sleep(3 * time.Millisecond)
		}
		if now := time.Now(); now.Before(d.Add(-10 * time.Millisecond)) {
			e.Errorf("the mark ended %v too early", d.Sub(now))
		}
		e.wantMarks(m, e.key("b"), mark(1, 1)) // without end
	}},
	{"mark/a later one keeps the set alive", func(e *env) {
		m := ability[backends.Marker](e)
		k, d := e.before(func(k backends.Key, d time.Time) error { // the second while the first stands
			return errors.Join(m.PutMark(e.ctx, k, mark(1, 1), time.Until(d)), m.PutMark(e.ctx, k, mark(2, 1), time.Minute))
		})
		e.eventually("the first would have ended", func() bool { return time.Now().After(d.Add(2 * e.opts.Exactness)) })
		e.wantMarks(m, k, mark(1, 1), mark(2, 1))
	}},
	{"mark/a shorter one ends no other", func(e *env) {
		m := ability[backends.Marker](e)
		for _, ttl := range []time.Duration{time.Minute, 0} {
			k, d := e.before(func(k backends.Key, d time.Time) error {
				return errors.Join(m.PutMark(e.ctx, k, mark(1, 1), ttl), m.PutMark(e.ctx, k, mark(2, 1), time.Until(d)))
			})
			e.eventually("the second would have ended", func() bool { return time.Now().After(d.Add(2 * e.opts.Exactness)) })
			ms, err := m.Marks(e.ctx, k)
			e.must(err)
			if !slices.Contains(ms, mark(1, 1)) {
				e.Errorf("a mark with a life of %v (0: without end) ended with a shorter one of another agent", ttl)
			}
		}
	}},
	{"mark/agents at once", func(e *env) {
		m := ability[backends.Marker](e)
		k := e.key("a")
		var wg sync.WaitGroup
		const agents, writes = 4, 5
		for a := range agents {
			wg.Go(func() {
				for w := range uint64(writes) {
					if err := m.PutMark(e.ctx, k, mark(a, w), time.Minute); err != nil {
						e.Errorf("put: %v", err)
					}
					if w == 0 {
						continue // the first of each agent stays
					}
					if err := m.DropMarks(e.ctx, k, []backends.Mark{mark(a, w)}); err != nil {
						e.Errorf("drop: %v", err)
					}
				}
			})
		}
		wg.Wait()
		e.wantMarks(m, k, mark(0, 0), mark(1, 0), mark(2, 0), mark(3, 0))
	}},
}

func (e *env) wantMarks(m backends.Marker, k backends.Key, want ...backends.Mark) {
	e.Helper()
	got, err := m.Marks(e.ctx, k)
	e.must(err)
	got, want = slices.Clone(got), slices.Clone(want)
	slices.SortFunc(got, compareMarks)
	slices.SortFunc(want, compareMarks)
	if !slices.Equal(got, want) {
		e.Fatalf("got marks %v, want %v", got, want)
	}
}

func compareMarks(a, b backends.Mark) int {
	return cmp.Or(cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Write, b.Write), cmp.Compare(a.Conn, b.Conn))
}
