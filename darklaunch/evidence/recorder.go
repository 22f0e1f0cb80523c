package evidence

import (
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Recorder is a darklaunch.Observer that keeps evidence. It is safe for
// concurrent use: some 60 KB of counters, and nothing else.
type Recorder struct {
	requests    [position.Count][nClasses][nResults]atomic.Uint64
	calls       [sides][nClasses][nPurposes]live
	errors      [sides]atomic.Uint64
	timeouts    [sides]atomic.Uint64
	looks       [nLooks]atomic.Uint64
	divergences [nKinds][nCauses]atomic.Uint64
	fallbacks   [nReasons]atomic.Uint64
	dropped     atomic.Uint64
	conflicts   atomic.Uint64
}

var _ darklaunch.Observer = (*Recorder)(nil)

// New makes a recorder that has seen nothing.
func New() *Recorder { return &Recorder{} }

// Read is what was seen until now. What is noted while it reads may be in it or
// not, one count at a time.
func (r *Recorder) Read() *Evidence {
	e := &Evidence{Dropped: r.dropped.Load(), Conflicts: r.conflicts.Load()}
	for p := range r.requests {
		for c := range r.requests[p] {
			for i := range r.requests[p][c] {
				n := r.requests[p][c][i].Load()
				e.Requests[c][i] += n
				e.Positions[p] += n
			}
		}
	}
	for s := range sides {
		e.Errors[s], e.Timeouts[s] = r.errors[s].Load(), r.timeouts[s].Load()
		for c := range r.calls[s] {
			for p := range r.calls[s][c] {
				for b := range r.calls[s][c][p] {
					e.Calls[s][c][p][b] = r.calls[s][c][p][b].Load()
				}
			}
		}
	}
	for i := range r.looks {
		e.Looks[i] = r.looks[i].Load()
	}
	for k := range r.divergences {
		for c := range r.divergences[k] {
			e.Divergences[k][c] = r.divergences[k][c].Load()
		}
	}
	for i := range r.fallbacks {
		e.Fallbacks[i] = r.fallbacks[i].Load()
	}
	return e
}

// Request implements darklaunch.Observer.
func (r *Recorder) Request(_ string, op rules.Op, at position.Position, result string, _ time.Duration) {
	r.requests[min(at, position.Count-1)][place(classes, classOf(op))][place(results, result)].Add(1)
}

// classOf is the class of a client's operation.
func classOf(op rules.Op) darklaunch.Class {
	switch op {
	case rules.Get:
		return darklaunch.Read
	case rules.Touch:
		return darklaunch.Touch
	case rules.Delete:
		return darklaunch.Delete
	case rules.Lock, rules.Unlock:
		return darklaunch.Lock
	}
	return darklaunch.Write
}

// StoreCall implements darklaunch.Observer.
func (r *Recorder) StoreCall(side rules.Side, class darklaunch.Class, purpose darklaunch.Purpose, took time.Duration) {
	r.calls[side][place(classes, class)][place(purposes, purpose)].add(took)
}

// StoreError implements darklaunch.Observer.
func (r *Recorder) StoreError(side rules.Side, timeout bool) {
	if timeout {
		r.timeouts[side].Add(1)
		return
	}
	r.errors[side].Add(1)
}

// Comparison implements darklaunch.Observer.
func (r *Recorder) Comparison(result string) { r.looks[place(looks, result)].Add(1) }

// Divergence implements darklaunch.Observer.
func (r *Recorder) Divergence(class, cause string) {
	r.divergences[place(kinds, class)][place(causes, cause)].Add(1)
}

// Fallback implements darklaunch.Observer.
func (r *Recorder) Fallback(reason string) { r.fallbacks[place(reasons, reason)].Add(1) }

// MirrorDropped implements darklaunch.Observer.
func (r *Recorder) MirrorDropped() { r.dropped.Add(1) }

// LockConflict implements darklaunch.Observer.
func (r *Recorder) LockConflict() { r.conflicts.Add(1) }

// Repair implements darklaunch.Observer: nothing is judged by it.
func (*Recorder) Repair(rules.Side, string) {}

// Copied implements darklaunch.Observer: nothing is judged by it.
func (*Recorder) Copied(string, string) {}
