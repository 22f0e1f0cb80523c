package redis

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
)

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

// hello is `HELLO [version [AUTH user password] [SETNAME name]]`: from its answer
// on the connection speaks that version.
func (h *handler) hello(context.Context) error {
	resp := h.resp
	if len(h.args) > 1 {
		n, ok := integer(h.args[1])
		switch {
		case !ok:
			return h.fault("ERR Protocol version is not an integer or out of range")
		case n != 2 && n != 3:
			return h.fault(errProto)
		}
		resp = int(n)
	}
	name := h.name
	for i := 2; i < len(h.args); {
		left := len(h.args) - i - 1
		switch opt := word(h.args[i]); {
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
	h.name, h.resp = name, resp
	h.dict(7)
	h.simple("$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n")
	h.text(h.p.version)
	h.simple("$5\r\nproto\r\n")
	h.number(':', int64(resp))
	h.simple("$2\r\nid\r\n")
	h.number(':', int64(h.c.Number))
	return h.simple("$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n")
}
