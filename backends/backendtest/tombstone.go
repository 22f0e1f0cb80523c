package backendtest

import (
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

var tombstoneCases = []testCase{
	{"tombstone/bury", func(e *env) {
		b := ability[backends.Tombstoner](e)
		k := e.key("a")
		e.set(k, "data")
		for i, want := range []bool{true, false, false} {
			found, err := b.Bury(e.ctx, k, time.Minute)
			e.must(err)
			if found != want {
				e.Errorf("bury number %d: got found %v, want %v", i+1, found, want)
			}
			e.wantMissing(k)
			e.wantGone(k, true)
		}
		e.wantGone(e.key("b"), false)
	}},
	{"tombstone/runs out", func(e *env) {
		b := ability[backends.Tombstoner](e)
		k, d := e.before(func(k backends.Key, d time.Time) error {
			_, err := b.Bury(e.ctx, k, time.Until(d))
			return err
		})
		for e.gone(k) {
			if time.Now().After(d.Add(2*e.opts.Exactness + time.Second)) {
				e.Fatalf("the tombstone is there %v after its end", time.Since(d))
			}
			time.Sleep(3 * time.Millisecond)
		}
		if now := time.Now(); now.Before(d.Add(-10 * time.Millisecond)) {
			e.Errorf("the tombstone ended %v too early", d.Sub(now))
		}
	}},
	{"tombstone/bury again lengthens it", func(e *env) {
		b := ability[backends.Tombstoner](e)
		k, d := e.before(func(k backends.Key, d time.Time) error {
			_, err := b.Bury(e.ctx, k, time.Until(d))
			_, again := b.Bury(e.ctx, k, time.Minute)
			return errors.Join(err, again)
		})
		e.eventually("the first would have ended", func() bool { return time.Now().After(d.Add(2 * e.opts.Exactness)) })
		e.wantGone(k, true)
	}},
	{"tombstone/delete leaves none", func(e *env) {
		ability[backends.Tombstoner](e)
		k := e.key("a")
		e.set(k, "data")
		e.delete(k)
		e.wantGone(k, false)
	}},
	{"tombstone/set leaves it alone", func(e *env) {
		b, r := ability[backends.Tombstoner](e), ability[backends.Reader](e)
		k := e.key("a")
		_, err := b.Bury(e.ctx, k, time.Minute)
		e.must(err)
		e.set(k, "data")
		rec, err := r.Read(e.ctx, k)
		e.must(err)
		if !rec.Found || rec.Gone || string(rec.Data) != "data" {
			e.Errorf("got found %v, gone %v, want found and not gone", rec.Found, rec.Gone)
		}
		e.delete(k)
		e.wantGone(k, true)
	}},
	{"tombstone/revive", func(e *env) {
		b, r := ability[backends.Tombstoner](e), ability[backends.Reader](e)
		for _, buried := range []bool{true, false} {
			k := e.key("a")
			if buried {
				_, err := b.Bury(e.ctx, k, time.Minute)
				e.must(err)
			}
			begin := time.Now()
			e.must(b.Revive(e.ctx, e.session(k, "data")))
			e.wantData(k, "data")
			e.wantDeadline(r, k, begin.Add(time.Hour), begin)
			e.delete(k)
			e.wantGone(k, false)
		}
	}},
	{"tombstone/revive past", func(e *env) {
		b := ability[backends.Tombstoner](e)
		k := e.key("a")
		_, err := b.Bury(e.ctx, k, time.Minute)
		e.must(err)
		e.must(b.Revive(e.ctx, backends.Session{Key: k, Data: []byte("x"), Deadline: time.Unix(0, 0)}))
		e.wantMissing(k)
	}},
	{"tombstone/revive owns no slice", func(e *env) {
		b := ability[backends.Tombstoner](e)
		s := e.session(e.key("a"), "original")
		e.must(b.Revive(e.ctx, s))
		copy(s.Data, "XXXXXXXX")
		e.wantData(s.Key, "original")
	}},
	{"tombstone/is no session", func(e *env) {
		// A client that knows its own names must not meet it.
		b, s := ability[backends.Tombstoner](e), ability[backends.Scanner](e)
		k := e.key("a")
		_, err := b.Bury(e.ctx, k, time.Minute)
		e.must(err)
		e.wantMissing(k)
		e.must(s.Scan(e.ctx, e.prefix, func(names []string) error {
			if len(names) > 0 {
				e.Errorf("a tombstone stands under the session's own name")
			}
			return nil
		}))
	}},
}
