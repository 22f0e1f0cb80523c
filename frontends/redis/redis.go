// Package redis serves sessions to clients of Redis: RESP2 and inline
// commands, as redis-server 7.0.15 answers them. It promises answers equal to
// the last byte for GET, SET (EX, PX, EXAT, PXAT, NX), SETEX, PSETEX, SETNX,
// MGET, STRLEN, DEL, UNLINK, EXISTS, EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, TTL,
// PTTL, PING, ECHO, AUTH, HELLO, SELECT, QUIT and RESET; where it differs on
// purpose, a table in its tests says how and why.
//
//	srv := redis.New(layer, redis.Options{Password: password})
//	err := srv.Serve(ctx, listener)
//
// `SET lock token NX PX ttl` asks for a lock; phpredis's script (EVAL, and
// EVALSHA from the first moment) gives it back to whom the token belongs, a DEL
// without a token. A lock read is missing. An EXPIRE into the past is a delete.
//
// HELLO 3 is answered with NOPROTO, upon which clients go on with RESP2. What
// is not served is refused with an error that says what to do, on a connection
// that lives on; only what breaks the framing ends it.
package redis

import (
	"cmp"

	"github.com/seed-41165957/crossfade/frontends"
)

// Options of New. The zero value works.
type Options struct {
	Server frontends.Options
	// Password that clients must give with AUTH or HELLO; empty: none.
	Password string
	// User that goes with the password: "default", whom AUTH with one argument
	// means.
	User string
	// Version that clients are told: "7.0.15", the version whose answers these
	// are.
	Version string
}

// New makes a server of s.
func New(s frontends.Sessions, o Options) *frontends.Server {
	return frontends.New(&protocol{
		sessions: frontends.Observed(s, o.Server.Observer),
		password: o.Password,
		user:     cmp.Or(o.User, defaultUser),
		version:  cmp.Or(o.Version, "7.0.15"),
	}, o.Server)
}

type protocol struct {
	sessions                frontends.Sessions
	password, user, version string
}

func (p *protocol) Open(c *frontends.Conn) frontends.Handler {
	return &handler{c: c, p: p, s: p.sessions, authed: p.password == ""}
}

func (p *protocol) Full() string { return "-ERR max number of clients reached\r\n" }

const defaultUser = "default"
