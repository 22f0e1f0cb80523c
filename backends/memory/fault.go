package memory

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Op names a call for the fault hook.
type Op string

// The calls. OpAdd is AddUndo too, OpSwap is the batch's too.
const (
	OpGet         Op = "get"
	OpRead        Op = "read"
	OpReadMany    Op = "read-many"
	OpSet         Op = "set"
	OpDelete      Op = "delete"
	OpTouch       Op = "touch"
	OpAdd         Op = "add"
	OpUndo        Op = "undo"
	OpGuard       Op = "guard"
	OpGuardMany   Op = "guard-many"
	OpSwap        Op = "swap"
	OpGuardRevive Op = "guard-revive"
	OpGuardBury   Op = "guard-bury"
	OpBury        Op = "bury"
	OpRevive      Op = "revive"
	OpMarks       Op = "marks"
	OpPutMark     Op = "put-mark"
	OpDropMarks   Op = "drop-marks"
	OpLock        Op = "lock"
	OpUnlock      Op = "unlock"
	OpLockValue   Op = "lock-value"
	OpScan        Op = "scan"
	OpHealth      Op = "health"
)

// Changes tells whether the call changes the store, so that its outcome can
// be unknown.
func (op Op) Changes() bool {
	switch op {
	case OpGet, OpRead, OpReadMany, OpGuard, OpGuardMany, OpMarks, OpLockValue, OpScan, OpHealth:
		return false
	}
	return true
}

// Call is one call about to be made.
type Call struct {
	Op  Op
	Key string // the name; of the first, where there are many; the prefix of a scan
	Seq uint64 // counts the calls of the store from 1
}

// Faults says what goes wrong with a call. It is asked with nothing locked, at
// once from several goroutines.
type Faults func(Call) Fault

// Fault is what goes wrong. The zero Fault is nothing.
type Fault struct {
	// Latency passes before anything else, by the real clock (a synctest
	// bubble's). Where the context ends first, a change gets an Unknown and is
	// applied when the latency has passed, as on a slow server.
	Latency time.Duration
	Kind    FaultKind
	// Err is what NotApplied returns. nil means ErrInjected.
	Err error
	// Later receives, for a TimeoutLater, the function that applies the change
	// and ends the doubt. It may be called once, at any time, or never.
	Later func(apply func())
}

// FaultKind is a kind of fault.
type FaultKind int

const (
	// None lets the call through.
	None FaultKind = iota
	// NotApplied returns an error and changes nothing.
	NotApplied
	// TimeoutApplied applies a change at once and returns an Unknown; Settle
	// ends the doubt. A read gets context.DeadlineExceeded.
	TimeoutApplied
	// TimeoutLater returns an Unknown, and the change waits for Fault.Later.
	// Settle, like the killing of a connection, ends the wait with nothing
	// applied. A read gets context.DeadlineExceeded.
	TimeoutLater
)

// ErrInjected is the error of a NotApplied fault.
var ErrInjected = errors.New("backends/memory: injected fault")

// faultState is what calls of unknown outcome leave behind.
type faultState struct {
	seq     atomic.Uint64
	waiting atomic.Int64
	mu      sync.Mutex
	timers  map[*time.Timer]struct{} // guarded by mu
	stopped bool                     // guarded by mu
}

func (f *faultState) pending() int { return int(f.waiting.Load()) }

// stop ends what late calls wait for; they are never applied.
func (f *faultState) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = true
	for t := range f.timers {
		t.Stop()
	}
	clear(f.timers)
}

func (f *faultState) after(d time.Duration, fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return
	}
	if f.timers == nil {
		f.timers = map[*time.Timer]struct{}{}
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		f.mu.Lock()
		delete(f.timers, t)
		stopped := f.stopped
		f.mu.Unlock()
		if !stopped {
			fn()
		}
	})
	f.timers[t] = struct{}{}
}

// faulty runs f, or what the hook wants in its place.
func faulty[T any](s *Store, ctx context.Context, op Op, key string, f func() (T, error)) (T, error) {
	if s.opts.Faults == nil {
		return f()
	}
	var none T
	call := Call{Op: op, Key: key, Seq: s.faults.seq.Add(1)}
	fault := s.opts.Faults(call)
	if fault.Latency > 0 {
		begin := time.Now()
		t := time.NewTimer(fault.Latency)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			if !op.Changes() {
				return none, ctx.Err()
			}
			u, apply := s.unknown(call, ctx.Err(), func() { f() })
			s.faults.after(fault.Latency-time.Since(begin), apply)
			return none, u
		}
	}
	if fault.Kind == None {
		return f()
	}
	if fault.Kind == NotApplied {
		if fault.Err != nil {
			return none, fault.Err
		}
		return none, ErrInjected
	}
	if !op.Changes() {
		return none, context.DeadlineExceeded
	}
	if fault.Kind == TimeoutApplied {
		f()
		u, _ := s.unknown(call, context.DeadlineExceeded, func() {})
		return none, u
	}
	u, apply := s.unknown(call, context.DeadlineExceeded, func() { f() })
	if fault.Later != nil {
		fault.Later(apply)
	}
	return none, u
}

// unknown makes the Unknown of a call, and the function that applies the call
// unless Settle was faster.
func (s *Store) unknown(call Call, cause error, f func()) (*backends.Unknown, func()) {
	s.faults.waiting.Add(1)
	var once sync.Once
	end := func(f func()) {
		once.Do(func() {
			f()
			s.faults.waiting.Add(-1)
		})
	}
	u := backends.NewUnknown(cause, "call:"+strconv.FormatUint(call.Seq, 10), s.runID, func(context.Context) error {
		end(func() {})
		return nil
	})
	return u, func() {
		end(f)
		u.Resolve()
	}
}
