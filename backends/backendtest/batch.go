package backendtest

import (
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

var batchCases = []testCase{
	{"read many/in order", func(e *env) {
		r := ability[backends.BatchReader](e)
		var ks []backends.Key
		begin := time.Now()
		for i := range 100 {
			k := e.key(fmt.Sprint(i))
			ks = append(ks, k)
			if i%3 != 0 {
				e.set(k, fmt.Sprint("data ", i))
			}
		}
		b, graves := e.store.(backends.Tombstoner)
		if graves {
			_, err := b.Bury(e.ctx, ks[3], time.Minute)
			e.must(err)
		}
		recs, err := r.ReadMany(e.ctx, ks)
		e.must(err)
		if len(recs) != len(ks) {
			e.Fatalf("got %d records, want %d", len(recs), len(ks))
		}
		for i, rec := range recs {
			want := i%3 != 0
			if rec.Found != want || want && string(rec.Data) != fmt.Sprint("data ", i) || rec.Key != ks[i] {
				e.Errorf("record %d: got found %v, %s, want found %v", i, rec.Found, short(string(rec.Data)), want)
			}
			if rec.Gone != (graves && i == 3) {
				e.Errorf("record %d: got gone %v", i, rec.Gone)
			}
			if want {
				e.nearDeadline(rec.Deadline, begin.Add(time.Hour), begin)
			}
		}
	}},
	{"read many/none", func(e *env) {
		if recs, err := ability[backends.BatchReader](e).ReadMany(e.ctx, nil); err != nil || len(recs) != 0 {
			e.Errorf("got %v, %v, want nothing", recs, err)
		}
	}},
	{"guard many/swap", func(e *env) {
		g := ability[backends.BatchGuarder](e)
		ks := e.three()
		guard := e.guardMany(g, ks)
		for i, rec := range guard.Records() {
			if rec.Found != (i == 0) || rec.Key != ks[i] {
				e.Errorf("record %d: got found %v", i, rec.Found)
			}
		}
		e.must(guard.Swap(e.ctx, []backends.Session{e.session(ks[2], "new 2"), e.session(ks[0], "new 0")}))
		e.wantData(ks[0], "new 0")
		e.wantMissing(ks[1]) // it was not named
		e.wantData(ks[2], "new 2")
	}},
	{"guard many/all or none", func(e *env) {
		g := ability[backends.BatchGuarder](e)
		for name, modify := range e.modifications() {
			ks := e.three()
			guard := e.guardMany(g, ks)
			modify(ks[0], "data")
			before, found, err := e.store.Get(e.ctx, ks[0])
			e.must(err)
			if err := guard.Swap(e.ctx, e.sessions(ks)); !conflicted(err) {
				e.Errorf("after %s: got %v, want ErrConflict", name, err)
			}
			guard.Release()
			e.wantMissing(ks[1])
			e.wantMissing(ks[2])
			if after, foundAfter, err := e.store.Get(e.ctx, ks[0]); err != nil || found != foundAfter || string(after.Data) != string(before.Data) {
				e.Errorf("after %s: a refused change changed something", name)
			}
		}
	}},
	{"guard many/tombstone", func(e *env) {
		g, b := ability[backends.BatchGuarder](e), ability[backends.Tombstoner](e)
		for _, before := range []bool{true, false} {
			ks := e.three()
			bury := func() {
				_, err := b.Bury(e.ctx, ks[1], time.Minute)
				e.must(err)
			}
			if before {
				bury()
			}
			guard := e.guardMany(g, ks)
			if !before {
				bury()
			} else if rec := guard.Records()[1]; !rec.Gone {
				e.Errorf("the tombstone is not in the records")
			}
			e.wantErr(guard.Swap(e.ctx, e.sessions(ks)), backends.ErrConflict)
			guard.Release()
			e.wantData(ks[0], "data")
			e.wantMissing(ks[1])
			e.wantMissing(ks[2])
		}
	}},
	{"guard many/past not-after", func(e *env) {
		g := ability[backends.BatchGuarder](e)
		var ks []backends.Key
		var guard backends.BatchGuard
		_, d := e.before(func(_ backends.Key, d time.Time) (err error) {
			ks = e.three()
			if guard, err = g.GuardMany(e.ctx, ks, d); err == nil {
				e.Cleanup(guard.Release)
			}
			return err
		})
		e.eventually("not-after passes", func() bool { return time.Now().After(d.Add(2 * time.Millisecond)) })
		e.wantErr(guard.Swap(e.ctx, e.sessions(ks)), backends.ErrConflict)
		e.wantMissing(ks[1])
	}},
	{"guard many/of anything", func(e *env) {
		// Two keys that have nothing to do with each other: guarded, or refused
		// with the one error that sends the caller on one by one.
		g := ability[backends.BatchGuarder](e)
		ks := []backends.Key{e.key("a"), e.key("b"), e.key("c"), e.key("d")}
		guard, err := g.GuardMany(e.ctx, ks, time.Now().Add(15*time.Second))
		if err != nil {
			e.wantErr(err, backends.ErrApart)
			return
		}
		defer guard.Release()
		e.must(guard.Swap(e.ctx, e.sessions(ks)))
		e.wantData(ks[3], "swapped")
	}},
	{"guard many/a thousand", func(e *env) {
		g := ability[backends.BatchGuarder](e)
		ks := make([]backends.Key, 1000)
		for i := range ks {
			ks[i] = e.near("tag", fmt.Sprint(i))
		}
		guard := e.guardMany(g, ks)
		if got := len(guard.Records()); got != len(ks) {
			e.Fatalf("got %d records, want %d", got, len(ks))
		}
		e.must(guard.Swap(e.ctx, e.sessions(ks)))
		guard.Release()
		for _, i := range []int{0, 1, 499, 999} {
			e.wantData(ks[i], "swapped")
		}
	}},
}

// three gives one key that holds "data" and two that are absent; each call
// gives others. They have one hash tag, so that a cluster can change them all or
// none.
func (e *env) three() []backends.Key {
	e.Helper()
	n := time.Now().UnixNano()
	var ks []backends.Key
	for i := range 3 {
		ks = append(ks, e.near(fmt.Sprint(n), fmt.Sprint(i)))
	}
	e.set(ks[0], "data")
	return ks
}

// near is a key that shares its hash tag with others, where names may have one.
func (e *env) near(tag, name string) backends.Key {
	if e.opts.PlainNames {
		return e.key(tag + "-" + name)
	}
	return e.key("{" + tag + "}" + name)
}

func (e *env) sessions(ks []backends.Key) []backends.Session {
	ss := make([]backends.Session, len(ks))
	for i, k := range ks {
		ss[i] = e.session(k, "swapped")
	}
	return ss
}

func (e *env) guardMany(g backends.BatchGuarder, ks []backends.Key) backends.BatchGuard {
	e.Helper()
	guard, err := g.GuardMany(e.ctx, ks, time.Now().Add(15*time.Second))
	if err != nil {
		e.Fatalf("guard many: %v", err)
	}
	e.Cleanup(guard.Release)
	return guard
}
