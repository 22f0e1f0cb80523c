package backendtest

import (
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

var guardCases = []testCase{
	{"guard/absent", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		guard := e.guard(g, k)
		if rec := guard.Record(); rec.Found || rec.Gone {
			e.Errorf("record: got found %v, gone %v, want neither", rec.Found, rec.Gone)
		}
		e.wantMissing(k) // a claim is missing
		s := e.session(k, "data")
		s.Flags = 3
		begin := time.Now()
		e.must(guard.Swap(e.ctx, s))
		guard.Release()
		guard.Release()
		e.wantData(k, "data")
		if r, ok := e.store.(backends.Reader); ok {
			e.wantDeadline(r, k, s.Deadline, begin)
		}
	}},
	{"guard/present", func(e *env) {
		g := ability[backends.Guarder](e)
		k := e.key("a")
		begin := time.Now()
		e.set(k, "first")
		guard := e.guard(g, k)
		rec := guard.Record()
		if !rec.Found || rec.Gone || string(rec.Data) != "first" || rec.Key != k {
			e.Fatalf("record: got found %v, gone %v, %s", rec.Found, rec.Gone, short(string(rec.Data)))
		}
		if rec.DeadlineUnknown {
			e.Errorf("the record has no deadline")
		}
		e.nearDeadline(rec.Deadline, begin.Add(time.Hour), begin)
		e.must(guard.Swap(e.ctx, e.session(k, "second")))
		e.wantData(k, "second")
	}},
	{"guard/flags", func(e *env) {
		g := ability[backends.Guarder](e)
		s := e.session(e.key("a"), "data")
		s.Flags = 77
		e.must(e.guard(g, s.Key).Swap(e.ctx, s))
		if got, want := e.guard(g, s.Key).Record(), e.flags(77); got.Flags != want {
			e.Errorf("got flags %d, want %d", got.Flags, want)
		}
	}},
	{"guard/swap past", func(e *env) {
		g := ability[backends.Guarder](e)
		for _, there := range []bool{false, true} {
			k := e.key("a")
			if there {
				e.set(k, "data")
			}
			e.must(e.guard(g, k).Swap(e.ctx, backends.Session{Key: k, Data: []byte("x"), Deadline: time.Now().Add(-time.Hour)}))
			e.wantMissing(k)
		}
	}},
	{"guard/swap never", func(e *env) {
		g, r := ability[backends.Guarder](e), ability[backends.Reader](e)
		k := e.key("a")
		e.must(e.guard(g, k).Swap(e.ctx, backends.Session{Key: k, Data: []byte("x")}))
		if rec, err := r.Read(e.ctx, k); err != nil || !rec.Found || !rec.Deadline.IsZero() || rec.DeadlineUnknown {
			e.Errorf("got found %v, deadline %v, %v, want never", rec.Found, rec.Deadline, err)
		}
	}},
	{"guard/tombstone before", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		k := e.key("a")
		_, err := b.Bury(e.ctx, k, time.Minute)
		e.must(err)
		guard := e.guard(g, k)
		if rec := guard.Record(); rec.Found || !rec.Gone {
			e.Errorf("record: got found %v, gone %v, want gone", rec.Found, rec.Gone)
		}
		e.wantErr(guard.Swap(e.ctx, e.session(k, "back")), backends.ErrConflict)
		e.wantMissing(k)
		e.wantGone(k, true)
	}},
	{"guard/tombstone beside a session", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		k := e.key("a")
		_, err := b.Bury(e.ctx, k, time.Minute)
		e.must(err)
		e.set(k, "data") // leaves the tombstone
		guard := e.guard(g, k)
		if rec := guard.Record(); !rec.Found || rec.Gone {
			e.Errorf("record: got found %v, gone %v: what is found is never gone", rec.Found, rec.Gone)
		}
		e.wantErr(guard.Swap(e.ctx, e.session(k, "back")), backends.ErrConflict)
		e.wantData(k, "data")
	}},
	{"guard/tombstone between", func(e *env) {
		g, b := ability[backends.Guarder](e), ability[backends.Tombstoner](e)
		for _, there := range []bool{false, true} {
			k := e.key("a")
			if there {
				k = e.key("b")
				e.set(k, "data")
			}
			guard := e.guard(g, k)
			_, err := b.Bury(e.ctx, k, time.Minute)
			e.must(err)
			e.wantErr(guard.Swap(e.ctx, e.session(k, "back")), backends.ErrConflict)
			e.wantMissing(k)
			e.wantGone(k, true)
		}
	}},
	{"guard/bury", func(e *env) {
		g := ability[backends.Guarder](e)
		ability[backends.Tombstoner](e)
		for _, there := range []bool{false, true} {
			k := e.key("a")
			if there {
				k = e.key("b")
				e.set(k, "data")
			}
			e.must(e.guard(g, k).Bury(e.ctx, time.Minute))
			e.wantMissing(k)
			e.wantGone(k, true)
			e.wantErr(e.guard(g, k).Swap(e.ctx, e.session(k, "back")), backends.ErrConflict)
		}
	}},
	{"guard/bury runs out", func(e *env) {
		g := ability[backends.Guarder](e)
		ability[backends.Tombstoner](e)
		k, _ := e.before(func(k backends.Key, d time.Time) error {
			return e.guard(g, k).Bury(e.ctx, time.Until(d))
		})
		e.eventually("the tombstone ends", func() bool { return !e.gone(k) })
	}},
	{"guard/past not-after", func(e *env) {
		g := ability[backends.Guarder](e)
		var guards []backends.Guard
		_, d := e.before(func(k backends.Key, d time.Time) error {
			guards = nil
			for i, name := range []string{"absent0", "present1", "absent2", "present3"} {
				k := backends.Key{Name: k.Name + name}
				if i%2 == 1 {
					e.set(k, "data")
				}
				guard, err := g.Guard(e.ctx, k, d)
				if err != nil {
					return err
				}
				e.Cleanup(guard.Release)
				guards = append(guards, guard)
			}
			return nil
		})
		e.eventually("not-after passes", func() bool { return time.Now().After(d.Add(2 * time.Millisecond)) })
		for i, guard := range guards {
			k := guard.Record().Key
			if i < 2 {
				e.wantErr(guard.Swap(e.ctx, e.session(k, "late")), backends.ErrConflict)
			} else {
				e.wantErr(guard.Bury(e.ctx, time.Minute), backends.ErrConflict)
			}
			if i%2 == 1 {
				e.wantData(k, "data")
				continue
			}
			e.wantMissing(k)
			e.wantGone(k, false)
		}
	}},
	{"guard/released", func(e *env) {
		g := ability[backends.Guarder](e)
		absent, present := e.key("a"), e.key("b")
		e.set(present, "data")
		for _, k := range []backends.Key{absent, present} {
			guard := e.guard(g, k)
			guard.Release()
			guard.Release()
		}
		e.wantMissing(absent)
		e.wantData(present, "data")
		e.must(e.guard(g, absent).Swap(e.ctx, e.session(absent, "next")))
		e.must(e.guard(g, present).Swap(e.ctx, e.session(present, "next")))
	}},
}

func (e *env) guard(g backends.Guarder, k backends.Key) backends.Guard {
	e.Helper()
	guard, err := g.Guard(e.ctx, k, time.Now().Add(15*time.Second))
	if err != nil {
		e.Fatalf("guard: %v", err)
	}
	e.Cleanup(guard.Release)
	return guard
}

// gone tells whether a tombstone is reported.
func (e *env) gone(k backends.Key) bool {
	e.Helper()
	rec, err := ability[backends.Reader](e).Read(e.ctx, k)
	e.must(err)
	return rec.Gone
}

func (e *env) wantGone(k backends.Key, want bool) {
	e.Helper()
	if got := e.gone(k); got != want {
		e.Fatalf("read: got gone %v, want %v", got, want)
	}
}

func conflicted(err error) bool { return errors.Is(err, backends.ErrConflict) }
