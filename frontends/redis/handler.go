package redis

import (
	"context"
	"errors"
	"strconv"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// handler speaks with one client.
type handler struct {
	c      *frontends.Conn
	p      *protocol
	s      frontends.Sessions
	args   [][]byte // of the command, its name first; valid until the next
	ends   []int    // where they end in the buffer
	authed bool
	name   string // CLIENT SETNAME
}

var _ frontends.Handler = (*handler)(nil)

// keepArgs is how many arguments a connection at rest keeps room for.
const keepArgs = 16

const crlf = "\r\n"

// Errors, in Redis's own words where it has some.
const (
	errSyntax  = "ERR syntax error"
	errInteger = "ERR value is not an integer or out of range"
	errAuth    = "NOAUTH Authentication required."
	errPass    = "WRONGPASS invalid username-password pair or user is disabled."
	errNoPass  = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
	errProto   = "NOPROTO unsupported protocol version"
	errArgs    = "ERR too many arguments for crossfade: send fewer keys in one command"
	errSize    = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	errKey     = "ERR key cannot be a session's: crossfade takes 1 to 250 bytes without spaces or control characters"
	errKind    = "ERR key is no session of crossfade's configuration: add its pattern to a kind's keys, or send this key to another server"
	errLock    = "ERR key is a session's lock: crossfade takes SET with NX and a time that lies ahead, SETNX, DEL and phpredis's unlocking script for it"
	errNoLock  = "ERR key is no lock of crossfade's configuration: add its pattern to a kind's locks"
)

// command is one that is served.
type command struct {
	arity    int // with the name; negative: at least so many
	do       func(*handler, context.Context) error
	stranger bool // also before the password was given
}

var commands map[string]command

func init() { // not a literal: some commands look others up
	commands = map[string]command{
		"get": {2, (*handler).get, false}, "mget": {-2, (*handler).mget, false}, "strlen": {2, (*handler).strlen, false},
		"set": {-3, (*handler).set, false}, "setnx": {3, (*handler).setnx, false},
		"setex": {4, (*handler).setex, false}, "psetex": {4, (*handler).psetex, false},
		"del": {-2, (*handler).del, false}, "unlink": {-2, (*handler).del, false}, "exists": {-2, (*handler).exists, false},
		"expire": {-3, (*handler).expire, false}, "pexpire": {-3, (*handler).pexpire, false},
		"expireat": {-3, (*handler).expireat, false}, "pexpireat": {-3, (*handler).pexpireat, false},
		"ttl": {2, (*handler).ttl, false}, "pttl": {2, (*handler).pttl, false},
		"eval": {-3, (*handler).eval, false}, "evalsha": {-3, (*handler).evalsha, false}, "script": {-2, (*handler).script, false},
		"ping": {-1, (*handler).ping, false}, "echo": {2, (*handler).echo, false}, "select": {2, (*handler).selectDB, false},
		"info": {-1, (*handler).info, false}, "client": {-2, (*handler).client, false},
		"command": {-1, (*handler).command, false}, "config": {-2, (*handler).config, false},
		"auth": {-2, (*handler).auth, true}, "hello": {-1, (*handler).hello, true},
		"quit": {-1, (*handler).quit, true}, "reset": {1, (*handler).reset, true},
	}
}

// Command reads and answers one command.
func (h *handler) Command(ctx context.Context) error {
	problem, err := h.read()
	switch {
	case err != nil:
		return err
	case problem != "":
		return h.fault(problem)
	case len(h.args) == 0:
		return nil
	}
	err = h.dispatch(ctx)
	if cap(h.args) > keepArgs {
		h.args, h.ends = nil, nil
	}
	return err
}

func (h *handler) dispatch(ctx context.Context) error {
	var space [24]byte
	name := lower(&space, h.args[0])
	cmd, ok := commands[string(name)]
	switch {
	case !ok:
		return h.refuse(name)
	case cmd.arity > 0 && len(h.args) != cmd.arity || len(h.args) < -cmd.arity:
		return h.fault("ERR wrong number of arguments for '" + string(name) + "' command")
	case !h.authed && !cmd.stranger:
		return h.fault(errAuth)
	}
	return cmd.do(h, ctx)
}

// lower gives a name in lower case; longer than any command it is cut.
func lower(space *[24]byte, name []byte) []byte {
	b := append(space[:0], name[:min(len(name), len(space))]...)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return b
}

// resolve tells what a key stands for; not ok: it has been answered.
func (h *handler) resolve(key []byte) (r kinds.Ref, ok bool) {
	if len(key) == 0 || len(key) > 250 {
		h.fault(errKey)
		return r, false
	}
	for _, b := range key {
		if b <= ' ' || b == 0x7f {
			h.fault(errKey)
			return r, false
		}
	}
	if r, ok = h.s.Resolve(key); !ok {
		h.unsupported(frontends.ClassKey, errKind)
	}
	return r, ok
}

// session is resolve for what cannot be done to a lock.
func (h *handler) session(key []byte) (r kinds.Ref, ok bool) {
	if r, ok = h.resolve(key); ok && r.Lock {
		h.unsupported(frontends.ClassLock, errLock)
		return r, false
	}
	return r, ok
}

// fail answers an error of Sessions. It is never a miss.
func (h *handler) fail(err error, r kinds.Ref) error {
	switch {
	case errors.Is(err, backends.ErrTooLarge):
		return h.fault(errSize)
	case errors.Is(err, backends.ErrKey):
		return h.fault(errKey)
	}
	return h.fault("ERR " + frontends.ErrorText(err, r))
}

// unsupported answers what is refused, and counts it.
func (h *handler) unsupported(class, text string) error {
	if o := h.c.Options.Observer; o != nil {
		o.Unsupported(class)
	}
	return h.fault(text)
}

// Replies. Each returns nil, so that it can be what a command returns.

func (h *handler) simple(s string) error {
	h.c.WriteString(s)
	return nil
}

func (h *handler) fault(text string) error {
	b := append(h.c.Buffer(), '-')
	b = append(b, text...)
	h.c.KeepBuffer(append(b, crlf...))
	return nil
}

func (h *handler) number(kind byte, n int64) error {
	b := append(h.c.Buffer(), kind)
	b = strconv.AppendInt(b, n, 10)
	h.c.KeepBuffer(append(b, crlf...))
	return nil
}

func (h *handler) truth(ok bool) error {
	if ok {
		return h.simple(":1\r\n")
	}
	return h.simple(":0\r\n")
}

func (h *handler) bulk(v []byte) error {
	h.number('$', int64(len(v)))
	h.c.Write(v)
	return h.simple(crlf)
}

func (h *handler) text(s string) error {
	h.number('$', int64(len(s)))
	h.c.WriteString(s)
	return h.simple(crlf)
}

func (h *handler) null() error { return h.simple("$-1\r\n") }

func (h *handler) ok() error { return h.simple("+OK\r\n") }
