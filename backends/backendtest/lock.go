package backendtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

var lockCases = []testCase{
	{"lock/grant and refuse", func(e *env) {
		l := ability[backends.Locker](e)
		k := e.key("lock")
		e.wantLock(l, k, "")
		e.grant(l, k, "one#1", time.Minute, true)
		e.wantLock(l, k, "one#1")
		e.grant(l, k, "two#2", time.Minute, false)
		e.grant(l, k, "one#1", time.Minute, false) // a lock is not re-entrant
		e.wantLock(l, k, "one#1")
	}},
	{"lock/unlock", func(e *env) {
		l := ability[backends.Locker](e)
		k := e.key("lock")
		unlock := func(value string, want bool) {
			e.Helper()
			if released, err := l.Unlock(e.ctx, k, value); err != nil || released != want {
				e.Fatalf("unlock: got %v, %v, want %v", released, err, want)
			}
		}
		unlock("one", false)
		e.grant(l, k, "one", time.Minute, true)
		for _, wrong := range []string{"two", "one ", "on", "ONE", ""} {
			unlock(wrong, false)
			e.wantLock(l, k, "one")
		}
		unlock("one", true)
		e.wantLock(l, k, "")
		unlock("one", false)
		e.grant(l, k, "two", time.Minute, true)
	}},
	{"lock/runs out", func(e *env) {
		l := ability[backends.Locker](e)
		k, d := e.before(func(k backends.Key, d time.Time) error {
			granted, err := l.Lock(e.ctx, k, "one", time.Until(d))
			if err == nil && !granted {
				err = errors.New("a free lock is refused")
			}
			return err
		})
		for {
			granted, err := l.Lock(e.ctx, k, "two", time.Minute)
			e.must(err)
			if granted {
				break
			}
			if time.Now().After(d.Add(2*e.opts.Exactness + time.Second)) {
				e.Fatalf("the lock is held %v after its end", time.Since(d))
			}
			time.Sleep(3 * time.Millisecond)
		}
		if now := time.Now(); now.Before(d.Add(-10 * time.Millisecond)) {
			e.Errorf("the lock ended %v too early", d.Sub(now))
		}
		if released, err := l.Unlock(e.ctx, k, "one"); err != nil || released {
			e.Errorf("a holder whose time was over unlocked the next one's lock: %v, %v", released, err)
		}
		e.wantLock(l, k, "two")
	}},
	{"lock/one holder", func(e *env) {
		l := ability[backends.Locker](e)
		for round := range 5 {
			k := e.key(fmt.Sprint("lock", round))
			var granted atomic.Int32
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					ok, err := l.Lock(e.ctx, k, fmt.Sprint(i), time.Minute)
					if err != nil {
						e.Errorf("lock: %v", err)
					}
					if ok {
						granted.Add(1)
					}
				})
			}
			wg.Wait()
			if n := granted.Load(); n != 1 {
				e.Errorf("%d holders, want 1", n)
			}
		}
	}},
}

func (e *env) grant(l backends.Locker, k backends.Key, value string, ttl time.Duration, want bool) {
	e.Helper()
	granted, err := l.Lock(e.ctx, k, value, ttl)
	e.must(err)
	if granted != want {
		e.Fatalf("lock: got granted %v, want %v", granted, want)
	}
}

// wantLock wants the lock held with value, or free where value is empty.
func (e *env) wantLock(l backends.Locker, k backends.Key, value string) {
	e.Helper()
	got, found, err := l.LockValue(e.ctx, k)
	e.must(err)
	if got != value || found != (value != "") {
		e.Fatalf("lock value: got %q, %v, want %q", got, found, value)
	}
}
