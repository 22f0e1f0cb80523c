package redis

import (
	"context"
	"strings"

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
	resp   int          // the protocol, 2 or 3
	name   string       // CLIENT SETNAME
	tx     *transaction // between MULTI and EXEC
}

var _ frontends.Handler = (*handler)(nil)

// keepArgs is how many arguments a connection at rest keeps room for.
const keepArgs = 16

// Command reads and answers one command.
func (h *handler) Command(ctx context.Context) error {
	problem, err := h.read()
	switch {
	case err != nil:
		return err
	case problem != "":
		return h.reject(problem)
	case len(h.args) == 0:
		return nil
	}
	err = h.dispatch(ctx)
	if cap(h.args) > keepArgs {
		h.args, h.ends = nil, nil
	}
	return err
}

// dispatch checks a command as Redis does before it carries it out or queues it
// (processCommand of server.c, 7.0).
func (h *handler) dispatch(ctx context.Context) error {
	var space [24]byte
	name := lower(&space, h.args[0])
	cmd, ok := commands[string(name)]
	if !ok {
		return h.refuse(name)
	}
	full := name
	if len(h.args) > 1 && cmd.subs != nil {
		var space [48]byte
		full = append(append(append(space[:0], name...), '|'), word(h.args[1])...)
		if cmd, ok = cmd.subs[string(full[len(name)+1:])]; !ok {
			return h.subUnknown(strings.ToUpper(string(name)))
		}
	}
	switch {
	case !cmd.fits(len(h.args)):
		return h.rejectCommand(string(full), badArity(string(full)))
	case !h.authed && cmd.when&stranger == 0:
		return h.rejectCommand(string(full), errAuth)
	case h.tx != nil && cmd.when&atOnce == 0:
		return h.enqueue(cmd.do)
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

// word is lower, of a word that is looked for seldom.
func word(arg []byte) string {
	var space [24]byte
	return string(lower(&space, arg))
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
