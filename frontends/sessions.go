package frontends

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Sessions is what a frontend serves: the session layer. It is safe for
// concurrent use. Missing means absent or expired; an error means that nobody
// could say, or for a change that it is not sure to have been made.
//
// Errors are any; backends.ErrTooLarge and backends.ErrKey have answers of
// their own in the protocols. Slices that are passed in are not kept after the
// call; data returned belongs to the caller.
type Sessions interface {
	// Resolve tells which session, or which lock, a client's name stands for.
	Resolve(name []byte) (kinds.Ref, bool)
	// Get returns data and flags.
	Get(ctx context.Context, r kinds.Ref) (s backends.Session, found bool, err error)
	// Read returns the exact deadline too, or sets DeadlineUnknown.
	Read(ctx context.Context, r kinds.Ref) (s backends.Session, found bool, err error)
	// Set uses Data, Flags and Deadline of s. A deadline that is past makes the
	// session missing, and the call succeeds.
	Set(ctx context.Context, r kinds.Ref, s backends.Session) error
	// Add is Set where there is no session. With a deadline that is past
	// nothing is stored, and stored tells whether it could have been.
	Add(ctx context.Context, r kinds.Ref, s backends.Session) (stored bool, err error)
	// Touch moves the deadline. A frontend calls it with one that lies ahead
	// (zero: never); a touch into the past is a Delete.
	Touch(ctx context.Context, r kinds.Ref, deadline time.Time) (found bool, err error)
	Delete(ctx context.Context, r kinds.Ref) (found bool, err error)
	// Edit makes of the session what fn says, of what is there: conditional and
	// computed writes. fn may be asked several times, as others write; a nil
	// error means that what it said last is so. Its own error comes back as it
	// is, and nothing was changed.
	Edit(ctx context.Context, r kinds.Ref, fn edit.Func) error
	// Token stands for data and flags, for a client that shall say later what it
	// has read (memcached's cas, HTTP's ETag). It is never 0, and the same
	// through every agent.
	Token(flags uint32, data []byte) uint64
	// Lock grants the lock for ttl; 0 means that the client named no time, and
	// gets the longest that its kind allows.
	Lock(ctx context.Context, r kinds.Ref, o kinds.Owner, ttl time.Duration) (granted bool, err error)
	Unlock(ctx context.Context, r kinds.Ref, o kinds.Owner) (released bool, err error)
}
