// Package memcached serves sessions to clients of memcached, in each of its
// protocols as memcached 1.6.18 speaks them: ASCII and meta commands
// (protocol.txt), and the binary protocol (protocol-binary.txt). They are told
// apart by the first byte of a connection. It promises answers equal to the last
// byte; where it differs on purpose, tables in its tests say how and why.
//
//	srv := memcached.New(layer, memcached.Options{})
//	err := srv.Serve(ctx, listener)
//
//	get gets gat gats          mg  GET GETK GAT GATK   read
//	set add replace cas        ms  SET ADD REPLACE     store
//	append prepend             ms  APPEND PREPEND
//	incr decr                  ma  INCREMENT DECREMENT
//	touch delete               md  TOUCH DELETE
//	version verbosity stats    mn  VERSION NOOP STAT   and quit
//
// What stores on a condition, or what it makes of what was there, is one
// Sessions.Edit. The token of gets, of mg c and of packets is Sessions.Token: it
// tells data and flags, not who wrote them when.
//
// A lock's name takes an add (the value is the client's token) and a delete, or
// a set of 0, which gives it back. A lock has no number, so that php-memcache,
// which asks for one first, adds it. A lock read is a miss. A touch,
// get-and-touch or set into the past makes the session missing, as memcached
// does.
//
// Refused with an error that says what to do, on a connection that lives on:
// flush_all, and the flags h, l, N, R of mg and I of ms and md. me tells what a
// session has in any store: exp, cas and size. SASL is answered as by a memcached
// without it.
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
