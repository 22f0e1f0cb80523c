package evidence

import (
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Both is an observer that tells two.
func Both(a, b darklaunch.Observer) darklaunch.Observer { return both{a, b} }

type both struct{ a, b darklaunch.Observer }

// Request tells both.
func (o both) Request(frontend string, op rules.Op, at position.Position, result string, took time.Duration) {
	o.a.Request(frontend, op, at, result, took)
	o.b.Request(frontend, op, at, result, took)
}

// StoreCall tells both.
func (o both) StoreCall(side rules.Side, class darklaunch.Class, purpose darklaunch.Purpose, took time.Duration) {
	o.a.StoreCall(side, class, purpose, took)
	o.b.StoreCall(side, class, purpose, took)
}

// StoreError tells both.
func (o both) StoreError(side rules.Side, timeout bool) {
	o.a.StoreError(side, timeout)
	o.b.StoreError(side, timeout)
}

// Comparison tells both.
func (o both) Comparison(result string) { o.a.Comparison(result); o.b.Comparison(result) }

// Divergence tells both.
func (o both) Divergence(class, cause string) {
	o.a.Divergence(class, cause)
	o.b.Divergence(class, cause)
}

// Fallback tells both.
func (o both) Fallback(reason string) { o.a.Fallback(reason); o.b.Fallback(reason) }

// Repair tells both.
func (o both) Repair(side rules.Side, result string) {
	o.a.Repair(side, result)
	o.b.Repair(side, result)
}

// Copied tells both.
func (o both) Copied(job, result string) { o.a.Copied(job, result); o.b.Copied(job, result) }

// MirrorDropped tells both.
func (o both) MirrorDropped() { o.a.MirrorDropped(); o.b.MirrorDropped() }

// LockConflict tells both.
func (o both) LockConflict() { o.a.LockConflict(); o.b.LockConflict() }
