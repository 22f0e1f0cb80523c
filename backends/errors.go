package backends

import (
	"context"
	"errors"
	"sync"
)

// ErrConflict is returned when a guarded change found that the session was
// modified, buried, or that the guard is too old.
var ErrConflict = errors.New("backends: conflict")

// ErrTooLarge is returned when the store does not take a session of this size.
var ErrTooLarge = errors.New("backends: session too large")

// ErrKey is returned for a name that the store cannot hold.
var ErrKey = errors.New("backends: malformed key")

// ErrUnlisted is wrapped by Scan's error where the server cannot list what it
// holds, and never will.
var ErrUnlisted = errors.New("backends: the store cannot list what it holds")

// ErrRevoked is returned by a write to a session that somebody has deleted
// behind the store's back (its row, by SQL): nothing was written, and the store
// holds it no more.
var ErrRevoked = errors.New("backends: session was deleted by others")

// ErrClosed is returned by calls after Close.
var ErrClosed = errors.New("backends: store is closed")

// ErrBusy is returned, with nothing changed, when all connections are taken or
// parked.
var ErrBusy = errors.New("backends: no free connection")

// ErrApart is returned by GuardMany, with nothing changed, for keys that the
// store cannot change all or none: in a Redis Cluster those of several slots.
var ErrApart = errors.New("backends: the keys cannot be changed all or none")

// Unknown is the error of a call that may have changed the store, may change
// it later, or may not: it had no answer at its deadline. The connection it
// went out on stays open (parked) until the doubt ends.
type Unknown struct {
	Cause error  // why the caller left: usually context.DeadlineExceeded
	Conn  string // names the connection for the server: what Settle would kill or look for
	RunID string // of the server the call was sent to

	once   sync.Once
	done   chan struct{}
	settle func(context.Context) error
}

// NewUnknown makes an Unknown. settle may ask the server to end the doubt (kill
// the connection, look whether it is still listed); it returns nil once the
// call can no longer arrive. nil settle: only Resolve ends it.
func NewUnknown(cause error, conn, runID string, settle func(context.Context) error) *Unknown {
	return &Unknown{Cause: cause, Conn: conn, RunID: runID, done: make(chan struct{}), settle: settle}
}

func (u *Unknown) Error() string { return "backends: outcome unknown: " + u.Cause.Error() }

func (u *Unknown) Unwrap() error { return u.Cause }

// Done is closed when the call was applied or never will be: its late answer
// was read, or the server no longer has its connection. Which of the two it was
// is not told: look again.
func (u *Unknown) Done() <-chan struct{} { return u.done }

// Resolve ends the doubt. It may be called twice.
func (u *Unknown) Resolve() { u.once.Do(func() { close(u.done) }) }

// Settle tries to end the doubt now. nil means that Done is closed.
func (u *Unknown) Settle(ctx context.Context) error {
	select {
	case <-u.done:
		return nil
	default:
	}
	if u.settle == nil {
		return errors.New("backends: this store cannot tell whether a call still arrives")
	}
	if err := u.settle(ctx); err != nil {
		return err
	}
	u.Resolve()
	return nil
}

// IsUnknown tells whether err is, or wraps, an Unknown, and gives it.
func IsUnknown(err error) (*Unknown, bool) {
	var u *Unknown
	ok := errors.As(err, &u)
	return u, ok
}
