// Package redis serves sessions to clients of Redis: RESP2, RESP3 and inline
// commands, as redis-server 7.0.15 answers them. It promises answers equal to
// the last byte; where it differs on purpose, a table in its tests says how and
// why.
//
//	srv := redis.New(layer, redis.Options{Password: password})
//	err := srv.Serve(ctx, listener)
//
//	GET MGET STRLEN GETRANGE SUBSTR EXISTS TYPE        read
//	TTL PTTL EXPIRETIME PEXPIRETIME
//	SET SETEX PSETEX SETNX GETSET                      store
//	DEL UNLINK GETDEL                                  end
//	EXPIRE PEXPIRE EXPIREAT PEXPIREAT PERSIST          how long it lives
//	GETEX TOUCH
//	APPEND INCR DECR INCRBY DECRBY                     of what is there
//	MULTI EXEC DISCARD UNWATCH                         several
//	EVAL EVALSHA SCRIPT LOAD|EXISTS                    scripts of locks
//	PING ECHO AUTH HELLO SELECT INFO QUIT RESET        the connection
//	CLIENT ID|SETNAME|GETNAME|SETINFO|TRACKING OFF
//	COMMAND, CONFIG GET
//
// SET takes NX, XX, GET, EX, PX, EXAT, PXAT and KEEPTTL, EXPIRE and its kin NX,
// XX, GT and LT, as Redis 7.0 combines them. What is written on a condition, or
// made of what was there, is one Sessions.Edit.
//
// `SET lock token NX PX ttl` asks for a lock. The scripts that clients unlock
// with are known from the first moment, to EVALSHA too, and give it back to whom
// the token belongs; so does DEL, without a token. A lock read is missing, and
// its life is what it was granted for. An EXPIRE into the past is a delete.
//
// EXEC carries out what was queued, one after the other: nobody's commands come
// in between on this connection, but others may write the same sessions at the
// same time, through this agent or another. WATCH is therefore refused.
//
// Each connection speaks RESP2 until HELLO 3. What is not served is refused with
// an error that says what to do, on a connection that lives on; only what breaks
// the framing ends it.
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
	// Databases that clients may select beside 0: each means the same sessions. (A
	// client that has a number in its configuration keeps it, and one that names
	// none is served too.)
	Databases []int
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
		dbs:      o.Databases,
		scripts:  newScripts(),
	}, o.Server)
}

type protocol struct {
	sessions                frontends.Sessions
	password, user, version string
	dbs                     []int
	scripts                 *scripts
}

func (p *protocol) Open(c *frontends.Conn) frontends.Handler {
	return &handler{c: c, p: p, s: p.sessions, authed: p.password == "", resp: 2}
}

func (p *protocol) Full() string { return "-ERR max number of clients reached\r\n" }

const defaultUser = "default"
