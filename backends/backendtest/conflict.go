package backendtest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// conflictCases are the promise of Guarder that copies rest on: whatever
// modified the session since the guard was made, the guard does nothing.
var conflictCases = []testCase{
	{"guard/conflict of a swap, present", func(e *env) { e.conflicts(true, swapBack) }},
	{"guard/conflict of a swap, absent", func(e *env) { e.conflicts(false, swapBack) }},
	{"guard/conflict of a bury, present", func(e *env) { e.conflicts(true, buryIt) }},
	{"guard/conflict of a bury, absent", func(e *env) { e.conflicts(false, buryIt) }},
	{"guard/used once", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		guard := e.guard(g, k)
		e.must(guard.Swap(e.ctx, e.session(k, "one")))
		if err := guard.Swap(e.ctx, e.session(k, "two")); err == nil {
			e.Errorf("a guard was used twice")
		}
		e.wantData(k, "one")
	}},
	{"guard/two at once", func(e *env) {
		g := ability[backends.Guarder](e)
		for _, there := range []bool{false, true} {
			k := e.key("a")
			if there {
				k = e.key("b")
				e.set(k, "before")
			}
			// The second guard may be refused where the key is claimed.
			first := e.guard(g, k)
			second, err := g.Guard(e.ctx, k, time.Now().Add(10*time.Second))
			if err != nil {
				e.wantErr(err, backends.ErrConflict)
				e.must(first.Swap(e.ctx, e.session(k, "first")))
				e.wantData(k, "first")
				continue
			}
			e.Cleanup(second.Release)
			errs := []error{second.Swap(e.ctx, e.session(k, "second")), first.Swap(e.ctx, e.session(k, "first"))}
			switch {
			case errs[0] == nil && conflicted(errs[1]):
				e.wantData(k, "second")
			case errs[1] == nil && conflicted(errs[0]):
				e.wantData(k, "first")
			default:
				e.Errorf("got %v and %v, want one nil and one ErrConflict", errs[0], errs[1])
			}
		}
	}},
	{"guard/many at once", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		for range 5 {
			var won atomic.Int32
			var ready, wg sync.WaitGroup
			const n = 4
			ready.Add(n)
			for range n {
				wg.Go(func() {
					guard, err := g.Guard(e.ctx, k, time.Now().Add(10*time.Second))
					ready.Done()
					if err != nil {
						if !conflicted(err) {
							e.Errorf("guard: %v", err)
						}
						return
					}
					defer guard.Release()
					ready.Wait() // all guards stand before the first swap
					switch err := guard.Swap(e.ctx, e.session(k, "same")); {
					case err == nil:
						won.Add(1)
					case !conflicted(err):
						e.Errorf("swap: %v", err)
					}
				})
			}
			wg.Wait()
			if got := won.Load(); got != 1 {
				e.Errorf("%d of %d swaps succeeded, want 1", got, n)
			}
		}
	}},
}

func swapBack(e *env, g backends.Guard, k backends.Key) error {
	return g.Swap(e.ctx, e.session(k, "back"))
}

func buryIt(e *env, g backends.Guard, _ backends.Key) error { return g.Bury(e.ctx, time.Minute) }

// conflicts makes a guard, modifies the session in every way, and wants the
// guarded change refused and nothing changed by it.
func (e *env) conflicts(there bool, change func(*env, backends.Guard, backends.Key) error) {
	g := ability[backends.Guarder](e)
	for name, modify := range e.modifications() {
		k := e.key(name)
		if there {
			e.set(k, "data")
		}
		if !there && name == "swap of the same bytes" {
			continue // two guards of an absent key: see "two at once"
		}
		guard := e.guard(g, k)
		modify(k, "data")
		before, found, err := e.store.Get(e.ctx, k)
		e.must(err)
		if err := change(e, guard, k); !conflicted(err) {
			e.Errorf("after %s: got %v, want ErrConflict", name, err)
		}
		guard.Release()
		after, foundAfter, err := e.store.Get(e.ctx, k)
		e.must(err)
		if found != foundAfter || string(before.Data) != string(after.Data) {
			e.Errorf("after %s: a refused change changed something", name)
		}
	}
}

// lateCases are what is left of a copier that went away.
var lateCases = []testCase{
	{"claim/is missing for everybody", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		e.guard(g, k)
		e.wantMissing(k)
		if r, ok := e.store.(backends.Reader); ok {
			if rec, err := r.Read(e.ctx, k); err != nil || rec.Found || rec.Gone {
				e.Errorf("read: got found %v, gone %v, %v", rec.Found, rec.Gone, err)
			}
		}
		if r, ok := e.store.(backends.BatchReader); ok {
			if recs, err := r.ReadMany(e.ctx, []backends.Key{k}); err != nil || len(recs) != 1 || recs[0].Found {
				e.Errorf("read many: got %v, %v", recs, err)
			}
		}
		if t, ok := e.store.(backends.Toucher); ok {
			if found, err := t.Touch(e.ctx, k, time.Now().Add(time.Hour)); err != nil || found {
				e.Errorf("touch: got %v, %v, want not found", found, err)
			}
			e.wantMissing(k)
		}
	}},
	{"claim/add replaces it", func(e *env) {
		g, a := ability[backends.Guarder](e), ability[backends.Adder](e)
		for _, name := range []string{"add", "add undo"} {
			k := e.key(name)
			guard := e.guard(g, k)
			if name == "add" {
				e.wantAdd(a, e.session(k, "added"), true)
			} else {
				e.addUndo(a, e.session(k, "added")).Release()
			}
			e.wantErr(guard.Swap(e.ctx, e.session(k, "copied")), backends.ErrConflict)
			guard.Release() // must not take what was added
			e.wantData(k, "added")
		}
	}},
	{"claim/release spares a later write", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		guard := e.guard(g, k)
		e.set(k, "data")
		guard.Release()
		e.wantData(k, "data")
	}},
	{"claim/abandoned", func(e *env) {
		// The copier died: whatever it claimed is free after not-after.
		g, a := ability[backends.Guarder](e), ability[backends.Adder](e)
		k, d := e.before(func(k backends.Key, d time.Time) error {
			guard, err := g.Guard(e.ctx, k, d)
			if err == nil {
				e.Cleanup(guard.Release)
			}
			return err
		})
		e.wantMissing(k)
		e.eventually("not-after passes", func() bool { return time.Now().After(d) })
		e.wantMissing(k)
		next := e.guard(g, k)
		if next.Record().Found {
			e.Errorf("a claim is found")
		}
		next.Release()
		e.wantAdd(a, e.session(k, "data"), true)
		e.wantData(k, "data")
	}},
}
