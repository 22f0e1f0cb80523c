package backendtest

import (
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const day = 24 * time.Hour

var deadlineCases = []testCase{
	{"deadline/kept", func(e *env) {
		r := ability[backends.Reader](e)
		now := time.Now()
		for _, d := range []time.Duration{
			time.Minute, time.Hour,
			// memcached takes up to 2,592,000 as seconds from now, more as a
			// time of the calendar (protocol.txt, "Expiration times").
			30*day - time.Second, 30 * day, 30*day + time.Second, 31 * day, 400 * day,
			// Thirty years are the first beyond a 32-bit count of milliseconds
			// by far, and still within memcached's signed 32-bit seconds.
			3000 * day,
		} {
			k := e.key(fmt.Sprint(d))
			begin := time.Now()
			e.must(e.store.Set(e.ctx, backends.Session{Key: k, Data: []byte("data"), Deadline: now.Add(d)}))
			e.wantData(k, "data")
			e.wantDeadline(r, k, now.Add(d), begin)
		}
	}},
	{"deadline/never", func(e *env) {
		r := ability[backends.Reader](e)
		k := e.key("a")
		e.set(k, "an hour") // its deadline must not stay
		e.must(e.store.Set(e.ctx, backends.Session{Key: k, Data: []byte("data")}))
		rec, err := r.Read(e.ctx, k)
		e.must(err)
		if !rec.Found || !rec.Deadline.IsZero() || rec.DeadlineUnknown {
			e.Errorf("got found %v, deadline %v, unknown %v, want a known deadline of never", rec.Found, rec.Deadline, rec.DeadlineUnknown)
		}
	}},
	{"deadline/get tells it or says that it does not", func(e *env) {
		k := e.key("a")
		begin := time.Now()
		e.set(k, "data")
		s, _, err := e.store.Get(e.ctx, k)
		e.must(err)
		if s.DeadlineUnknown && !s.Deadline.IsZero() {
			e.Errorf("got deadline %v that is unknown", s.Deadline)
		}
		if !s.DeadlineUnknown {
			e.nearDeadline(s.Deadline, begin.Add(time.Hour), begin)
		}
	}},
	{"deadline/already past", func(e *env) {
		// Clients take a time that is not positive as an error, as "never", as
		// the year 1970: the session must be missing, and the write succeed.
		for _, d := range []time.Time{
			time.Now().Add(-time.Millisecond), time.Now().Add(-time.Second), time.Now().Add(-40 * day),
			time.Unix(1, 0), time.Unix(0, 0), time.Unix(-5, 0), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC),
		} {
			k := e.key(fmt.Sprint(d.UnixNano()))
			s := backends.Session{Key: k, Data: []byte("past"), Deadline: d}
			e.must(e.store.Set(e.ctx, s))
			e.wantMissing(k)
			e.set(k, "there")
			e.must(e.store.Set(e.ctx, s))
			e.wantMissing(k)
			if found, err := e.store.Delete(e.ctx, k); err != nil || found {
				e.Errorf("deadline %v: delete got found %v, %v, want false", d, found, err)
			}
		}
	}},
	{"deadline/ends", func(e *env) {
		k, d := e.before(func(k backends.Key, d time.Time) error {
			return e.store.Set(e.ctx, backends.Session{Key: k, Data: []byte("data"), Deadline: d})
		})
		e.endsAt(k, d)
		if found, err := e.store.Delete(e.ctx, k); err != nil || found {
			e.Errorf("delete of an expired session: got %v, %v, want false", found, err)
		}
		if r, ok := e.store.(backends.Reader); ok {
			if rec, err := r.Read(e.ctx, k); err != nil || rec.Found {
				e.Errorf("read of an expired session: got %v, %v, want not found", rec.Found, err)
			}
		}
	}},
}

// endsAt waits until the session is missing, and fails if it was too early or
// is much too late.
func (e *env) endsAt(k backends.Key, d time.Time) {
	e.Helper()
	for {
		begin := time.Now()
		_, found, err := e.store.Get(e.ctx, k)
		e.must(err)
		switch {
		case !found && time.Now().Before(d.Add(-time.Millisecond)):
			e.Fatalf("the session ended %v before its deadline", time.Until(d))
		case !found:
			return
		case begin.After(d.Add(2*e.opts.Exactness + time.Second)):
			e.Fatalf("the session is there %v after its deadline", begin.Sub(d))
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// wantDeadline fails unless k is found with a deadline near want; begin is when
// the write began.
func (e *env) wantDeadline(r backends.Reader, k backends.Key, want, begin time.Time) {
	e.Helper()
	rec, err := r.Read(e.ctx, k)
	e.must(err)
	if !rec.Found || rec.DeadlineUnknown {
		e.Fatalf("read: got found %v, deadline unknown %v", rec.Found, rec.DeadlineUnknown)
	}
	e.nearDeadline(rec.Deadline, want, begin)
}

func (e *env) nearDeadline(got, want, begin time.Time) {
	e.Helper()
	// Up to the time that the calls took, a relative deadline moves. Where time
	// is counted in whole seconds, it is rounded up once when written and once
	// when read.
	early, late := e.opts.Exactness, e.opts.Exactness+time.Since(begin)
	if e.opts.Exactness >= time.Second {
		late += time.Second
		early += time.Since(begin)
	}
	if diff := got.Sub(want); diff < -early || diff > late {
		e.Errorf("the deadline is %v from what was asked for, want within -%v and +%v", diff, early, late)
	}
}

var touchCases = []testCase{
	{"touch/found", func(e *env) {
		t, r := ability[backends.Toucher](e), ability[backends.Reader](e)
		k := e.key("a")
		s := e.session(k, "data")
		s.Flags = 7
		e.must(e.store.Set(e.ctx, s))
		before, err := r.Read(e.ctx, k)
		e.must(err)
		for _, d := range []time.Duration{2 * time.Hour, time.Minute, 31 * day} {
			begin := time.Now()
			found, err := t.Touch(e.ctx, k, begin.Add(d))
			if err != nil || !found {
				e.Fatalf("touch: got %v, %v, want found", found, err)
			}
			e.wantDeadline(r, k, begin.Add(d), begin)
		}
		e.wantData(k, "data")
		if rec, err := r.Read(e.ctx, k); err != nil || rec.Flags != before.Flags {
			e.Errorf("got flags %d, %v, want %d", rec.Flags, err, before.Flags)
		}
	}},
	{"touch/never", func(e *env) {
		t, r := ability[backends.Toucher](e), ability[backends.Reader](e)
		k := e.key("a")
		e.set(k, "data")
		for range 2 { // the second time there is no deadline to take away
			found, err := t.Touch(e.ctx, k, time.Time{})
			if err != nil || !found {
				e.Fatalf("touch: got %v, %v, want found", found, err)
			}
			if rec, err := r.Read(e.ctx, k); err != nil || !rec.Deadline.IsZero() || rec.DeadlineUnknown {
				e.Fatalf("read: got deadline %v, %v, want never", rec.Deadline, err)
			}
		}
		if found, err := t.Touch(e.ctx, e.key("b"), time.Time{}); err != nil || found {
			e.Errorf("touch of a missing session: got %v, %v", found, err)
		}
	}},
	{"touch/missing", func(e *env) {
		t := ability[backends.Toucher](e)
		for _, d := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-time.Hour)} {
			if found, err := t.Touch(e.ctx, e.key("a"), d); err != nil || found {
				e.Errorf("got %v, %v, want not found", found, err)
			}
			e.wantMissing(e.key("a"))
		}
	}},
	{"touch/past", func(e *env) {
		t := ability[backends.Toucher](e)
		for i, d := range []time.Time{time.Now().Add(-time.Millisecond), time.Now().Add(-time.Hour), time.Unix(0, 0)} {
			k := e.key(fmt.Sprint(i))
			e.set(k, "data")
			if found, err := t.Touch(e.ctx, k, d); err != nil || !found {
				e.Errorf("got %v, %v, want found", found, err)
			}
			e.wantMissing(k)
		}
	}},
	{"touch/ends", func(e *env) {
		t := ability[backends.Toucher](e)
		e.endsAt(e.before(func(k backends.Key, d time.Time) error {
			e.set(k, "data")
			_, err := t.Touch(e.ctx, k, d)
			return err
		}))
	}},
}
