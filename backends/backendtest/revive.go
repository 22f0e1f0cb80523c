package backendtest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// reviveCases are the guarded change of a session that was deleted and is known
// to have been written since.
var reviveCases = []testCase{
	{"guard/revive", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		k := e.key("a")
		_, err := b.Bury(e.ctx, k, time.Minute)
		e.must(err)
		for range 2 { // the second time nothing is gone
			s := e.session(k, "again")
			e.must(e.guard(g, k).Revive(e.ctx, s))
			e.wantData(k, "again")
			e.delete(k)
			e.wantGone(k, false)
		}
	}},
	{"guard/revive deadline", func(e *env) {
		g, r := ability[backends.Guarder](e), ability[backends.Reader](e)
		for name, want := range map[string]time.Time{"hour": time.Now().Add(time.Hour), "never": {}} {
			k := e.key(name)
			guard := e.buried(g, k)
			begin := time.Now()
			e.must(guard.Revive(e.ctx, backends.Session{Key: k, Data: []byte("x"), Deadline: want}))
			if !want.IsZero() {
				e.wantDeadline(r, k, want, begin)
			} else if rec, err := r.Read(e.ctx, k); err != nil || !rec.Found || !rec.Deadline.IsZero() || rec.DeadlineUnknown {
				e.Errorf("got found %v, deadline %v, %v, want never", rec.Found, rec.Deadline, err)
			}
		}
	}},
	{"guard/revive past", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		e.must(e.buried(g, k).Revive(e.ctx, backends.Session{Key: k, Data: []byte("x"), Deadline: time.Now().Add(-time.Hour)}))
		e.wantMissing(k)
	}},
	{"guard/over", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		absent, present, gone, beside := e.key("a"), e.key("b"), e.key("c"), e.key("d")
		e.set(present, "data")
		for _, k := range []backends.Key{gone, beside} {
			_, err := b.Bury(e.ctx, k, time.Minute)
			e.must(err)
		}
		e.set(beside, "data") // leaves the tombstone
		for _, k := range []backends.Key{absent, present, gone, beside} {
			e.must(e.guard(g, k).Over(e.ctx, e.session(k, "new")))
			e.wantData(k, "new")
			e.delete(k)
			e.wantGone(k, false)
		}
	}},
	{"guard/over past", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		k := e.key("a")
		_, err := b.Bury(e.ctx, k, time.Minute)
		e.must(err)
		e.set(k, "data")
		e.must(e.guard(g, k).Over(e.ctx, backends.Session{Key: k, Deadline: time.Now().Add(-time.Hour)}))
		e.wantMissing(k)
	}},
	{"guard/over, written or buried since", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		for name, since := range map[string]func(k backends.Key){
			"set":    func(k backends.Key) { e.set(k, "data") },
			"bury":   func(k backends.Key) { _, err := b.Bury(e.ctx, k, time.Minute); e.must(err) },
			"delete": func(k backends.Key) { e.delete(k) },
		} {
			k := e.key(name)
			_, err := b.Bury(e.ctx, k, time.Minute)
			e.must(err)
			e.set(k, "data")
			guard := e.guard(g, k)
			since(k)
			e.wantErr(guard.Over(e.ctx, e.session(k, "new")), backends.ErrConflict)
		}
	}},
	{"guard/revive of what is not gone", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		absent, present, beside := e.key("a"), e.key("b"), e.key("c")
		e.set(present, "data")
		for _, k := range []backends.Key{absent, present} {
			e.must(e.guard(g, k).Revive(e.ctx, e.session(k, "new")))
			e.wantData(k, "new")
		}
		_, err := b.Bury(e.ctx, beside, time.Minute)
		e.must(err)
		e.set(beside, "data") // leaves the tombstone
		e.wantErr(e.guard(g, beside).Revive(e.ctx, e.session(beside, "new")), backends.ErrConflict)
		e.wantData(beside, "data")
		e.delete(beside)
		e.wantGone(beside, true)
	}},
	{"guard/revive after a bury", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		k := e.key("a")
		for range 5 {
			guard := e.buried(g, k)
			_, err := b.Bury(e.ctx, k, time.Minute) // the same once more
			e.must(err)
			e.wantErr(guard.Revive(e.ctx, e.session(k, "back")), backends.ErrConflict)
			guard.Release()
			e.wantMissing(k)
			e.wantGone(k, true)
		}
		guard := e.buried(g, k)
		e.must(e.guard(g, k).Bury(e.ctx, time.Minute)) // the same by a guard
		e.wantErr(guard.Revive(e.ctx, e.session(k, "back")), backends.ErrConflict)
		e.wantMissing(k)
		e.wantGone(k, true)
	}},
	{"guard/revive after a refused bury", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		e.set(k, "data")
		old := e.guard(g, k)
		guard := e.buried(g, k)
		e.wantErr(old.Bury(e.ctx, time.Hour), backends.ErrConflict) // leaves the tombstone as it is
		e.must(guard.Revive(e.ctx, e.session(k, "again")))
		e.delete(k)
		e.wantGone(k, false)
	}},
	{"guard/conflict of a revive", func(e *env) {
		g := ability[backends.Guarder](e)
		for name, modify := range e.modifications() {
			if name == "swap of the same bytes" {
				continue // a tombstone forbids it
			}
			k := e.key(name)
			guard := e.buried(g, k)
			modify(k, "data")
			before := e.record(k)
			if err := guard.Revive(e.ctx, e.session(k, "data")); !conflicted(err) {
				e.Errorf("after %s: got %v, want ErrConflict", name, err)
			}
			guard.Release()
			after := e.record(k)
			if before.Found != after.Found || before.Gone != after.Gone || string(before.Data) != string(after.Data) {
				e.Errorf("after %s: a refused revive changed something", name)
			}
		}
	}},
	{"guard/revive past not-after", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		var guard backends.Guard
		k, d := e.before(func(k backends.Key, d time.Time) (err error) {
			_, err = b.Bury(e.ctx, k, time.Minute)
			e.must(err)
			if guard, err = g.Guard(e.ctx, k, d); err == nil {
				e.Cleanup(guard.Release)
			}
			return err
		})
		e.eventually("not-after passes", func() bool { return time.Now().After(d.Add(2 * time.Millisecond)) })
		e.wantErr(guard.Revive(e.ctx, e.session(k, "late")), backends.ErrConflict)
		e.wantMissing(k)
		e.wantGone(k, true)
	}},
	{"guard/revive too large", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		guard := e.buried(g, k)
		e.wantErr(guard.Revive(e.ctx, backends.Session{Key: k, Data: make([]byte, 1<<20+1)}), backends.ErrTooLarge)
		guard.Release()
		e.wantMissing(k)
		e.wantGone(k, true)
	}},
	{"guard/revive used once", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		guard := e.buried(g, k)
		e.must(guard.Revive(e.ctx, e.session(k, "one")))
		if err := guard.Revive(e.ctx, e.session(k, "two")); err == nil {
			e.Errorf("a guard was used twice")
		}
		e.wantData(k, "one")
	}},
	{"guard/many revives at once", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		k := e.key("a")
		const n = 4
		for range 10 {
			_, err := b.Bury(e.ctx, k, time.Minute)
			e.must(err)
			var guards [n]backends.Guard
			for i := range guards { // all stand before the first revive
				guards[i] = e.guard(g, k)
			}
			var won atomic.Int32
			var wg sync.WaitGroup
			for _, guard := range guards {
				wg.Go(func() {
					defer guard.Release()
					switch err := guard.Revive(e.ctx, e.session(k, "same")); {
					case err == nil:
						won.Add(1)
					case !conflicted(err):
						e.Errorf("revive: %v", err)
					}
				})
			}
			wg.Wait()
			if got := won.Load(); got != 1 {
				e.Errorf("%d of %d revives succeeded, want 1", got, n)
			}
			e.wantData(k, "same")
			e.delete(k)
			e.wantGone(k, false)
		}
	}},
	{"guard/revive against bury", func(e *env) {
		// Whichever comes first: after an acknowledged delete nothing is there.
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		k := e.key("a")
		for range 50 {
			guard := e.buried(g, k)
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := guard.Revive(e.ctx, e.session(k, "again")); err != nil && !conflicted(err) {
					e.Errorf("revive: %v", err)
				}
			})
			if _, err := b.Bury(e.ctx, k, time.Minute); err != nil {
				e.Errorf("bury: %v", err)
			}
			wg.Wait()
			guard.Release()
			e.wantMissing(k)
			e.wantGone(k, true)
		}
	}},
}

// buried makes a guard of a key that is gone.
func (e *env) buried(g backends.Guarder, k backends.Key) backends.Guard {
	e.Helper()
	_, err := ability[backends.Tombstoner](e).Bury(e.ctx, k, time.Minute)
	e.must(err)
	guard := e.guard(g, k)
	if rec := guard.Record(); rec.Found || !rec.Gone {
		e.Fatalf("record: got found %v, gone %v, want gone", rec.Found, rec.Gone)
	}
	return guard
}

// record is all that stands for k.
func (e *env) record(k backends.Key) backends.Record {
	e.Helper()
	rec, err := ability[backends.Reader](e).Read(e.ctx, k)
	e.must(err)
	return rec
}
