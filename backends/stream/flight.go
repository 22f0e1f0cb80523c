package stream

import (
	"bufio"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Call is what an adapter sends in one packet, and what it hears of it. It
// belongs to whoever asks until it is submitted, then to the connection's reader
// until it is answered, then to whoever asked again; if that one has left, the
// reader frees it.
type Call interface {
	// Flight is the call's own, for its life.
	Flight() *Flight
	// AppendTo encodes the packet. The call must not need the caller's data any
	// more afterwards.
	AppendTo(b []byte) []byte
	// Size is at least how long the packet is.
	Size() int
	// Changes tells whether it can change the server.
	Changes() bool
	// Read reads all of its answers. left says that nobody waits for them. An
	// error means that the connection can no longer be trusted; ErrRetire that
	// the answers are good, and that no further call may use it.
	Read(br *bufio.Reader, left bool) error
	// Free recycles the call.
	Free()
}

// Flight is a call on its way. The zero value is not: see NewFlight.
type Flight struct {
	call Call
	done chan error // cap 1

	// Guarded by conn.mu.
	next     *Flight
	at, size uint64    // its bytes in the stream of all that went out on the connection
	deadline time.Time // by which the connection wakes who waits; zero: he has his own clock
	changes  bool
	answered bool // done has, or is about to get, its value
	left     bool // nobody waits for it any more
	woken    bool // left because the connection said so: done has the error
	late     bool // it was left because its deadline had passed: it keeps the connection parked
	unknown  *backends.Unknown
}

// NewFlight is of a new call.
func NewFlight(c Call) Flight { return Flight{call: c, done: make(chan error, 1)} }

// Again makes it as new.
func (f *Flight) Again() { *f = Flight{call: f.call, done: f.done} }
