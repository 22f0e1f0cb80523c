package redis

import (
	"errors"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// Errors, in Redis's own words where it has some.
const (
	errSyntax   = "ERR syntax error"
	errInteger  = "ERR value is not an integer or out of range"
	errOverflow = "ERR increment or decrement would overflow"
	errAuth     = "NOAUTH Authentication required."
	errPass     = "WRONGPASS invalid username-password pair or user is disabled."
	errNoPass   = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
	errProto    = "NOPROTO unsupported protocol version"
	errArgs     = "ERR too many arguments for crossfade: send fewer keys in one command"
	errSize     = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	errDatabase = "ERR DB index is out of range: crossfade serves database 0 and that of old.redis or new.redis in its configuration; name it there, or take it out of the client's"
	errKey      = "ERR key cannot be a session's: crossfade takes 1 to 250 bytes without spaces or control characters"
	errKind     = "ERR key is no session of crossfade's configuration: add its pattern to a kind's keys, or send this key to another server"
	errLock     = "ERR key is a session's lock: crossfade takes SET with NX and a time that lies ahead, SETNX, DEL and the scripts that unlock for it"
	errNoLock   = "ERR key is no lock of crossfade's configuration: add its pattern to a kind's locks"
	errUnknown  = "ERR session store cannot say how long this session still lives: set or touch it, or ask again later"
)

// refusal is what an edit is refused with: an answer, and no failure.
type refusal string

func (r refusal) Error() string { return string(r) }

// fail answers an error of Sessions. It is never a miss.
func (h *handler) fail(err error, r kinds.Ref) error {
	var no refusal
	switch {
	case errors.As(err, &no):
		return h.fault(string(no))
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

func badArity(name string) string {
	return "ERR wrong number of arguments for '" + name + "' command"
}
