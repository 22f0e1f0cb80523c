package redis

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"os"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
)

func (h *handler) ping(context.Context) error {
	switch len(h.args) {
	case 1:
		return h.simple("+PONG\r\n")
	case 2:
		return h.bulk(h.args[1])
	}
	return h.fault("ERR wrong number of arguments for 'ping' command")
}

func (h *handler) echo(context.Context) error { return h.bulk(h.args[1]) }

func (h *handler) quit(context.Context) error {
	h.ok()
	return frontends.ErrQuit
}

func (h *handler) reset(context.Context) error {
	h.authed, h.name = h.p.password == "", ""
	return h.simple("+RESET\r\n")
}

func (h *handler) selectDB(context.Context) error {
	n, ok := integer(h.args[1])
	switch {
	case !ok:
		return h.fault(errInteger)
	case n != 0:
		return h.unsupported(frontends.ClassDatabase, "ERR DB index is out of range: crossfade serves database 0; take the database out of the client's configuration")
	}
	return h.ok()
}

// auth is `AUTH [user] password`.
func (h *handler) auth(context.Context) error {
	switch {
	case len(h.args) > 3:
		return h.fault(errSyntax)
	case len(h.args) == 2 && h.p.password == "":
		return h.fault(errNoPass)
	}
	user, password := []byte(defaultUser), h.args[1]
	if len(h.args) == 3 {
		user, password = h.args[1], h.args[2]
	} else if h.p.user != defaultUser {
		user = []byte(h.p.user) // the one user there is
	}
	if !h.login(user, password) {
		return h.fault(errPass)
	}
	return h.ok()
}

// login compares in a time that says nothing of the password. Without one, any
// is right, as for Redis's own default user.
func (h *handler) login(user, password []byte) bool {
	u, wantU := sha256.Sum256(user), sha256.Sum256([]byte(h.p.user))
	p, wantP := sha256.Sum256(password), sha256.Sum256([]byte(h.p.password))
	right := subtle.ConstantTimeCompare(u[:], wantU[:])
	if h.p.password != "" {
		right &= subtle.ConstantTimeCompare(p[:], wantP[:])
	}
	h.authed = h.authed || right == 1
	return right == 1
}

// hello is `HELLO [version [AUTH user password] [SETNAME name]]`.
func (h *handler) hello(context.Context) error {
	if len(h.args) > 1 {
		switch n, ok := integer(h.args[1]); {
		case !ok:
			return h.fault("ERR Protocol version is not an integer or out of range")
		case n == 3:
			return h.unsupported(frontends.ClassProtocol, errProto)
		case n != 2:
			return h.fault(errProto)
		}
	}
	name := h.name
	for i := 2; i < len(h.args); {
		var space [24]byte
		left := len(h.args) - i - 1
		switch opt := string(lower(&space, h.args[i])); {
		case opt == "auth" && left >= 2:
			if !h.login(h.args[i+1], h.args[i+2]) {
				return h.fault(errPass)
			}
			i += 3
		case opt == "setname" && left >= 1:
			if !validName(h.args[i+1]) {
				return h.fault(errName)
			}
			name = string(h.args[i+1])
			i += 2
		default:
			return h.fault("ERR Syntax error in HELLO option '" + harmless(h.args[i]) + "'")
		}
	}
	if !h.authed {
		return h.fault("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
	}
	h.name = name
	h.simple("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n")
	h.text(h.p.version)
	h.simple("$5\r\nproto\r\n:2\r\n$2\r\nid\r\n")
	h.number(':', int64(h.c.Number))
	return h.simple("$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n")
}

const errName = "ERR Client names cannot contain spaces, newlines or special characters."

// nameLimit keeps a connection at rest small.
const nameLimit = 256

func validName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) <= nameLimit
}

// client is what libraries say at connect.
func (h *handler) client(context.Context) error {
	var space [24]byte
	sub := string(lower(&space, h.args[1]))
	arity, known := map[string]int{"id": 2, "getname": 2, "setname": 3, "setinfo": 4}[sub]
	switch {
	case !known:
		return h.subUnknown("CLIENT")
	case len(h.args) != arity:
		return h.subArity("client", sub)
	}
	switch sub {
	case "id":
		return h.number(':', int64(h.c.Number))
	case "getname":
		if h.name == "" {
			return h.null()
		}
		return h.text(h.name)
	case "setname":
		if !validName(h.args[2]) {
			return h.fault(errName)
		}
		h.name = string(h.args[2])
	}
	return h.ok()
}

// command is COMMAND: redis-cli asks for help texts, and does without.
func (h *handler) command(context.Context) error {
	var space [24]byte
	if len(h.args) > 1 && string(lower(&space, h.args[1])) == "count" {
		return h.number(':', int64(len(commands)))
	}
	return h.simple("*0\r\n")
}

// config is CONFIG GET, which redis-benchmark asks: there is nothing.
func (h *handler) config(context.Context) error {
	var space [24]byte
	if string(lower(&space, h.args[1])) != "get" {
		return h.subUnknown("CONFIG")
	}
	if len(h.args) < 3 {
		return h.subArity("config", "get")
	}
	return h.simple("*0\r\n")
}

var started = time.Now()

// info answers what clients look for before they send commands (ioredis:
// loading). What the agent does is in its metrics.
func (h *handler) info(context.Context) error {
	return h.text(fmt.Sprintf("# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\nprocess_id:%d\r\nuptime_in_seconds:%d\r\n"+
		"\r\n# Persistence\r\nloading:0\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n",
		h.p.version, os.Getpid(), int64(time.Since(started)/time.Second)))
}
