package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

var addCases = []testCase{
	{"add/stored", func(e *env) {
		a, r := ability[backends.Adder](e), ability[backends.Reader](e)
		k := e.key("a")
		begin := time.Now()
		e.wantAdd(a, e.session(k, "data"), true)
		e.wantData(k, "data")
		e.wantDeadline(r, k, begin.Add(time.Hour), begin)
	}},
	{"add/empty", func(e *env) { // how PHP claims an id
		a := ability[backends.Adder](e)
		k := e.key("a")
		e.wantAdd(a, e.session(k, ""), true)
		e.wantData(k, "")
		e.wantAdd(a, e.session(k, ""), false)
	}},
	{"add/exists", func(e *env) {
		a, r := ability[backends.Adder](e), ability[backends.Reader](e)
		k := e.key("a")
		begin := time.Now()
		e.set(k, "first")
		s := e.session(k, "second")
		s.Deadline = begin.Add(2 * time.Hour)
		e.wantAdd(a, s, false)
		e.wantData(k, "first")
		e.wantDeadline(r, k, begin.Add(time.Hour), begin)
	}},
	{"add/never", func(e *env) {
		a, r := ability[backends.Adder](e), ability[backends.Reader](e)
		e.wantAdd(a, backends.Session{Key: e.key("a"), Data: []byte("data")}, true)
		if rec, err := r.Read(e.ctx, e.key("a")); err != nil || !rec.Found || !rec.Deadline.IsZero() {
			e.Errorf("got %v, %v, %v, want a deadline of never", rec.Found, rec.Deadline, err)
		}
	}},
	{"add/past deadline", func(e *env) {
		a := ability[backends.Adder](e)
		k := e.key("a")
		for _, d := range []time.Time{time.Now().Add(-time.Millisecond), time.Now().Add(-40 * day), time.Unix(0, 0)} {
			e.wantAdd(a, backends.Session{Key: k, Data: []byte("x"), Deadline: d}, true)
			e.wantMissing(k)
		}
		e.set(k, "there")
		e.wantAdd(a, backends.Session{Key: k, Data: []byte("x"), Deadline: time.Unix(0, 0)}, false)
		e.wantData(k, "there")
	}},
	{"add/after the deadline", func(e *env) {
		a := ability[backends.Adder](e)
		k, d := e.key("a"), e.soon()
		e.must(e.store.Set(e.ctx, backends.Session{Key: k, Data: []byte("old"), Deadline: d}))
		e.endsAt(k, d)
		e.wantAdd(a, e.session(k, "new"), true)
		e.wantData(k, "new")
	}},
	{"add/one wins", func(e *env) {
		a := ability[backends.Adder](e)
		for round := range 5 {
			var wg sync.WaitGroup
			var stored atomic.Int32
			for i := range 4 {
				wg.Go(func() {
					ok, err := a.Add(e.ctx, e.session(e.key(fmt.Sprint(round)), fmt.Sprint(i)))
					if err != nil {
						e.Errorf("add: %v", err)
					}
					if ok {
						stored.Add(1)
					}
				})
			}
			wg.Wait()
			if n := stored.Load(); n != 1 {
				e.Errorf("%d adds were stored, want 1", n)
			}
		}
	}},
	{"add/clears the tombstone", func(e *env) {
		a, b := ability[backends.Adder](e), ability[backends.Tombstoner](e)
		for name, add := range map[string]func(backends.Session) (bool, error){
			"add":      func(s backends.Session) (bool, error) { return a.Add(e.ctx, s) },
			"add undo": func(s backends.Session) (bool, error) { ok, u, err := a.AddUndo(e.ctx, s); release(u); return ok, err },
		} {
			k := e.key(name)
			_, err := b.Bury(e.ctx, k, time.Minute)
			e.must(err)
			e.wantGone(k, true)
			if ok, err := add(e.session(k, "data")); err != nil || !ok {
				e.Fatalf("%s: got %v, %v, want stored", name, ok, err)
			}
			e.wantData(k, "data")
			e.delete(k)
			e.wantGone(k, false)
		}
	}},
	{"add/refused leaves the tombstone", func(e *env) {
		a, b := ability[backends.Adder](e), ability[backends.Tombstoner](e)
		k := e.key("a")
		_, err := b.Bury(e.ctx, k, time.Minute)
		e.must(err)
		e.set(k, "data") // leaves it alone
		e.wantAdd(a, e.session(k, "other"), false)
		e.delete(k)
		e.wantGone(k, true)
	}},
	{"add/undo", func(e *env) {
		a := ability[backends.Adder](e)
		k := e.key("a")
		for _, data := range []string{"data", ""} {
			u := e.addUndo(a, e.session(k, data))
			e.wantData(k, data)
			e.must(u.Undo(e.ctx))
			u.Release()
			u.Release()
			e.wantMissing(k)
		}
	}},
	{"add/undo of one that was refused", func(e *env) {
		a := ability[backends.Adder](e)
		k := e.key("a")
		e.set(k, "data")
		stored, u, err := a.AddUndo(e.ctx, e.session(k, "other"))
		release(u)
		if err != nil || stored {
			e.Errorf("got %v, %v, want not stored", stored, err)
		}
		e.wantData(k, "data")
	}},
	{"add/kept without undo", func(e *env) {
		a := ability[backends.Adder](e)
		k := e.key("a")
		u := e.addUndo(a, e.session(k, "data"))
		u.Release()
		e.wantData(k, "data")
	}},
	{"add/undo after a modification", func(e *env) {
		a := ability[backends.Adder](e)
		for name, modify := range e.modifications() {
			k := e.key(name)
			u := e.addUndo(a, e.session(k, "data"))
			modify(k, "data")
			_, before, err := e.store.Get(e.ctx, k)
			e.must(err)
			if err := u.Undo(e.ctx); !errors.Is(err, backends.ErrConflict) {
				e.Errorf("undo after %s: got %v, want ErrConflict", name, err)
			}
			u.Release()
			if _, found, err := e.store.Get(e.ctx, k); err != nil || found != before {
				e.Errorf("undo after %s: found is %v, %v, was %v", name, found, err, before)
			}
		}
	}},
}

func release(u backends.Undo) {
	if u != nil {
		u.Release()
	}
}

func (e *env) wantAdd(a backends.Adder, s backends.Session, want bool) {
	e.Helper()
	stored, err := a.Add(e.ctx, s)
	e.must(err)
	if stored != want {
		e.Fatalf("add: got stored %v, want %v", stored, want)
	}
}

func (e *env) addUndo(a backends.Adder, s backends.Session) backends.Undo {
	e.Helper()
	stored, u, err := a.AddUndo(e.ctx, s)
	e.must(err)
	if !stored || u == nil {
		e.Fatalf("add: got stored %v, undo %v", stored, u)
	}
	e.Cleanup(u.Release)
	return u
}

// modifications are the ways to modify a session; each may leave the very
// bytes data there, so that only a token of the modification can tell. (A
// touch is none: memcached gives it no new token.)
func (e *env) modifications() map[string]func(k backends.Key, data string) {
	ms := map[string]func(k backends.Key, data string){
		"set":                       func(k backends.Key, data string) { e.set(k, data+"x") },
		"set of the same bytes":     func(k backends.Key, data string) { e.set(k, data) },
		"delete":                    func(k backends.Key, data string) { e.set(k, data); e.delete(k) },
		"delete and the same again": func(k backends.Key, data string) { e.delete(k); e.set(k, data) },
		"set past": func(k backends.Key, data string) {
			e.set(k, data)
			e.must(e.store.Set(e.ctx, backends.Session{Key: k, Deadline: time.Now().Add(-time.Hour)}))
		},
	}
	if a, ok := e.store.(backends.Adder); ok {
		ms["delete and add of the same"] = func(k backends.Key, data string) {
			e.delete(k)
			e.wantAdd(a, e.session(k, data), true)
		}
	}
	if b, ok := e.store.(backends.Tombstoner); ok {
		ms["bury"] = func(k backends.Key, data string) {
			_, err := b.Bury(e.ctx, k, time.Minute)
			e.must(err)
		}
		ms["revive of the same bytes"] = func(k backends.Key, data string) { e.must(b.Revive(e.ctx, e.session(k, data))) }
		ms["bury and revive of the same"] = func(k backends.Key, data string) {
			_, err := b.Bury(e.ctx, k, time.Minute)
			e.must(err)
			e.must(b.Revive(e.ctx, e.session(k, data)))
		}
	}
	if g, ok := e.store.(backends.Guarder); ok {
		ms["swap of the same bytes"] = func(k backends.Key, data string) {
			e.must(e.guard(g, k).Swap(e.ctx, e.session(k, data)))
		}
	}
	return ms
}
