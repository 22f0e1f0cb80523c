// Package memcached serves sessions to clients of memcached: the ASCII
// protocol of its protocol.txt, as memcached 1.6.18 speaks it. It promises
// answers equal to the last byte for get, gets, gat, gats, set, add, touch,
// delete, version, verbosity and quit, with noreply, several keys, several
// commands in a packet and trailing spaces; where it differs on purpose, a
// table in its tests says how and why.
//
//	srv := memcached.New(layer, memcached.Options{})
//	err := srv.Serve(ctx, listener)
//
// An add to a lock's name asks for the lock (the value is the client's token),
// a delete gives it back; a lock read is a miss. A touch, get-and-touch or set
// into the past makes the session missing, as memcached does.
//
// gets gives a hash of data and flags where memcached gives a number that
// rises, because the layer has no versions yet: equal answers say equal data,
// and cas is refused. So are replace, append, prepend, incr, decr, flush_all,
// the meta commands and the binary protocol: with an error that says what to
// do, on a connection that lives on (but for binary).
//
// Where the end of a data block cannot be known (its length is not readable,
// or no CRLF follows it), the connection ends after the error: memcached takes
// what follows for commands, and what follows is session data, which users
// write.
package memcached

import (
	"cmp"

	"github.com/seed-41165957/crossfade/frontends"
)

// Options of New. The zero value works.
type Options struct {
	Server frontends.Options
	// Version that clients are told: "1.6.18", the version whose answers
	// these are.
	Version string
}

// New makes a server of s.
func New(s frontends.Sessions, o Options) *frontends.Server {
	p := &protocol{
		sessions: frontends.Observed(s, o.Server.Observer),
		version:  "VERSION " + cmp.Or(o.Version, "1.6.18") + crlf,
	}
	return frontends.New(p, o.Server)
}

type protocol struct {
	sessions frontends.Sessions
	version  string // the whole answer
}

func (p *protocol) Open(c *frontends.Conn) frontends.Handler {
	return &handler{c: c, p: p, s: p.sessions}
}

func (p *protocol) Full() string { return "ERROR Too many open connections" + crlf }

const (
	crlf = "\r\n"
	// keyLimit is KEY_MAX_LENGTH of memcached.h.
	keyLimit = 250
	// wordLimit is what commands other than get have, and one more to see that
	// there are too many.
	wordLimit = 8
)
