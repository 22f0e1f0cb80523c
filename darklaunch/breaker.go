package darklaunch

import (
	"sync"
	"time"
)

// breaker skips calls to a store that does not answer: after failures in a row
// it is open for a period, then lets one call try.
type breaker struct {
	failures int
	period   time.Duration

	mu      sync.Mutex // guards what follows
	row     int        // failures in a row
	until   time.Time  // open until
	probing bool
}

// BreakerState is what a breaker does with the next call.
type BreakerState int

const (
	Closed   BreakerState = iota // calls go through
	HalfOpen                     // one call may try
	Open                         // calls are skipped
)

func (s BreakerState) String() string { return [...]string{"closed", "half-open", "open"}[s] }

// allow tells whether a call may be made.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.row < b.failures {
		return true
	}
	if now.Before(b.until) || b.probing {
		return false
	}
	b.probing = true
	return true
}

// done is told how a call that was allowed ended.
func (b *breaker) done(now time.Time, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if ok {
		b.row = 0
		return
	}
	b.row++
	if b.row >= b.failures {
		b.until = now.Add(b.period)
	}
}

// undecided is told that a call that was allowed never reached the store: no
// connection was free. That says nothing of the store.
func (b *breaker) undecided() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}

func (b *breaker) state(now time.Time) BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.row < b.failures:
		return Closed
	case now.Before(b.until):
		return Open
	}
	return HalfOpen
}
