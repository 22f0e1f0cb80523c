// Package book is where a migration is remembered: pages that are replaced
// whole, locks, and a log that only grows. The two books are packages below it:
// files in one folder, and tables of MySQL for several servers.
//
//	b := files.New("flags.json")
//	lock, err := b.TryLock(ctx, book.Publish)
//	if lock == nil { ... } // somebody else has it
//	defer lock.Release()
//	err = b.Save(ctx, lock, book.Flags, data)
//
// A page is there whole, as it was or as it is now, after a crash at any moment.
// A page is only replaced by whoever holds a lock, and a lock that was lost
// writes nothing: a process that was stopped and wakes up cannot undo what its
// successor did.
package book

import (
	"context"
	"errors"
)

// Pages.
const (
	Flags  = "flags"  // the flag set, flagd's JSON
	Record = "record" // what was copied and verified, and the steps
	Copier = "copier" // who copies, or copied last
	Roster = "roster" // the agents of the fleet
	Goal   = "goal"   // what was asked for last, and what came of it
	Plan   = "plan"   // since when the step of the plan stands, and who holds it
	Head   = "head"   // how long the log is, and the sum of its last line
)

// Locks.
const (
	Publish = "publish" // held for milliseconds: pages are compared and replaced
	Copy    = "copy"    // held while a job copies
	Lead    = "lead"    // held by the server that moves
	Log     = "log"     // held for milliseconds: a line is chained to the last
)

// ErrLost is returned by Save and Append when the lock they are made under is
// no longer held: nothing was written.
var ErrLost = errors.New("book: the lock was lost: somebody else goes on")

// Book is safe for concurrent use. Each call ends with its context, and after
// 10 s at most.
type Book interface {
	// Load gives a page; nil: there is none yet.
	Load(ctx context.Context, page string) ([]byte, error)
	// Save replaces a page, under a lock that the caller holds.
	Save(ctx context.Context, by Lock, page string, data []byte) error
	// TryLock takes a lock; nil and no error: somebody else holds it. It is held
	// until Release, or until this process has not been heard of for a lease.
	TryLock(ctx context.Context, name string) (Lock, error)
	// Append adds one line, without line breaks, to the log. It is on disk when
	// the call returns.
	Append(ctx context.Context, line []byte) error
	// Lines gives the lines of the log from number from (the first is 0), at
	// most so many.
	Lines(ctx context.Context, from, most int) ([][]byte, error)
	// Where says in words for an operator where a page is kept. No secret is in
	// it.
	Where(page string) string
	Close() error // may be called twice
}

// Lock is held by one process.
type Lock interface {
	// Lost is closed when the lock is no longer held.
	Lost() <-chan struct{}
	// Release gives it back. It may be called twice.
	Release()
}
