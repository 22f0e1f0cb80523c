package redis

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

const (
	errNoScript = "NOSCRIPT No matching script. Please use EVAL."
	errScript   = "ERR this script is not known to crossfade: it runs those that unlock alone; use SET with NX and PX for locks, and DEL"
	errExtend   = "ERR a lock lives as long as it was granted for, and crossfade extends none: ask for it with the time that it takes"
)

// owner is this connection with a client's token.
func (h *handler) owner(token string) kinds.Owner {
	return kinds.Owner{Client: token, Conn: h.c.Number}
}

func (h *handler) eval(ctx context.Context) error {
	return h.run(ctx, h.p.scripts.load(h.args[1]), errScript)
}

func (h *handler) evalsha(ctx context.Context) error {
	return h.run(ctx, h.p.scripts.find(h.args[1]), errNoScript)
}

// run is `EVAL script numkeys key… arg…`.
func (h *handler) run(ctx context.Context, does action, unknown string) error {
	n, ok := integer(h.args[2])
	switch {
	case !ok:
		return h.fault(errInteger)
	case n > int64(len(h.args)-3):
		return h.fault("ERR Number of keys can't be greater than number of args")
	case n < 0:
		return h.fault("ERR Number of keys can't be negative")
	case does == nothing && unknown == errNoScript:
		return h.fault(unknown) // a client's question, which EVAL answers
	case does == nothing:
		return h.unsupported(frontends.ClassScript, unknown)
	case n != 1 || len(h.args) < 5:
		return h.fault("ERR this script takes one key and the token")
	}
	r, ok := h.resolve(h.args[3])
	switch {
	case !ok:
		return nil
	case !r.Lock:
		return h.unsupported(frontends.ClassLock, errNoLock)
	case does == extends:
		return h.unsupported(frontends.ClassLock, errExtend)
	case does == locks:
		return h.acquire(ctx, r)
	}
	released, err := h.s.Unlock(ctx, r, h.owner(string(h.args[4])))
	h.c.Unlocked()
	if err != nil {
		return h.fail(err, r)
	}
	return h.truth(released)
}

// longestLock is a life that any lock_ttl is shorter than.
const longestLock = 24 * time.Hour

// acquire is `EVAL script 1 lock token milliseconds`.
func (h *handler) acquire(ctx context.Context, r kinds.Ref) error {
	if len(h.args) < 6 {
		return h.fault("ERR this script takes one key, the token and the milliseconds")
	}
	ms, ok := integer(h.args[5])
	if !ok || ms <= 0 {
		return h.fault("ERR invalid expire time in 'set' command")
	}
	ttl := time.Duration(min(ms, longestLock.Milliseconds())) * time.Millisecond
	granted, err := h.s.Lock(ctx, r, h.owner(string(h.args[4])), ttl)
	if err != nil {
		return h.fail(err, r)
	}
	if granted {
		h.c.Locked(ttl)
	}
	return h.truth(granted)
}

func (h *handler) scriptLoad(context.Context) error {
	if h.p.scripts.load(h.args[2]) == nothing {
		return h.unsupported(frontends.ClassScript, errScript)
	}
	return h.text(digest(h.args[2]))
}

func (h *handler) scriptExists(context.Context) error {
	h.number('*', int64(len(h.args)-2))
	for _, sha := range h.args[2:] {
		h.truth(h.p.scripts.find(sha) != nothing)
	}
	return nil
}
