package darklaunch

import (
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Class of a store call or a request, for the metrics.
type Class string

const (
	Read   Class = "read"
	Write  Class = "write"
	Touch  Class = "touch"
	Delete Class = "delete"
	Lock   Class = "lock"
)

// Purpose of a store call.
type Purpose string

const (
	Request Purpose = "request"
	Mirror  Purpose = "mirror"
	Compare Purpose = "compare"
	Copy    Purpose = "copy"
)

// Observer is told what happens. It must not block, and is called from many
// goroutines. Label values are closed sets; no id ever reaches it.
type Observer interface {
	Request(frontend string, op rules.Op, at position.Position, result string, took time.Duration)
	StoreCall(side rules.Side, class Class, purpose Purpose, took time.Duration)
	StoreError(side rules.Side, timeout bool)
	Comparison(result string)       // match, differ, race
	Divergence(class, cause string) // confirmed
	Fallback(reason string)         // miss, error, dirty, marked, unmarked
	Repair(side rules.Side, result string)
	Copied(job, result string) // refill, repair, copy_back; done, left
	MirrorDropped()
	LockConflict()
}

type nobody struct{}

func (nobody) Request(string, rules.Op, position.Position, string, time.Duration) {}
func (nobody) StoreCall(rules.Side, Class, Purpose, time.Duration)                {}
func (nobody) StoreError(rules.Side, bool)                                        {}
func (nobody) Comparison(string)                                                  {}
func (nobody) Divergence(string, string)                                          {}
func (nobody) Fallback(string)                                                    {}
func (nobody) Copied(string, string)                                              {}
func (nobody) Repair(rules.Side, string)                                          {}
func (nobody) MirrorDropped()                                                     {}
func (nobody) LockConflict()                                                      {}
