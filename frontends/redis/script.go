package redis

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// unlockScript is what phpredis unlocks a session with (redis_session.c,
// LOCK_RELEASE_LUA_STR; seen on the wire with phpredis 5.3.7). Known from the
// start: EVALSHA works at once.
const unlockScript = `if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end`

const unlockSHA = "b70c2384248f88e6b75b9f89241a180f856ad852"

const (
	errNoScript = "NOSCRIPT No matching script. Please use EVAL."
	errScript   = "ERR this script is not known to crossfade: it runs phpredis's unlocking script alone; use SET with NX and PX for locks, and DEL"
)

// owner is this connection with a client's token.
func (h *handler) owner(token string) kinds.Owner {
	return kinds.Owner{Client: token, Conn: h.c.Number}
}

func (h *handler) eval(ctx context.Context) error {
	return h.run(ctx, string(bytes.TrimSpace(h.args[1])) == unlockScript, errScript)
}

func (h *handler) evalsha(ctx context.Context) error {
	return h.run(ctx, isUnlock(h.args[1]), errNoScript)
}

func isUnlock(sha []byte) bool { return bytes.EqualFold(sha, []byte(unlockSHA)) }

// run is `EVAL script numkeys key… arg…`.
func (h *handler) run(ctx context.Context, known bool, unknown string) error {
	n, ok := integer(h.args[2])
	switch {
	case !ok:
		return h.fault(errInteger)
	case n > int64(len(h.args)-3):
		return h.fault("ERR Number of keys can't be greater than number of args")
	case n < 0:
		return h.fault("ERR Number of keys can't be negative")
	case !known:
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
	}
	released, err := h.s.Unlock(ctx, r, h.owner(string(h.args[4])))
	h.c.Unlocked()
	if err != nil {
		return h.fail(err, r)
	}
	return h.truth(released)
}

// script is SCRIPT LOAD and SCRIPT EXISTS.
func (h *handler) script(context.Context) error {
	var space [24]byte
	switch string(lower(&space, h.args[1])) {
	case "load":
		if len(h.args) != 3 {
			return h.subArity("script", "load")
		}
		if sum := sha1.Sum(h.args[2]); hex.EncodeToString(sum[:]) != unlockSHA {
			return h.unsupported(frontends.ClassScript, errScript)
		}
		return h.text(unlockSHA)
	case "exists":
		if len(h.args) < 3 {
			return h.subArity("script", "exists")
		}
		h.number('*', int64(len(h.args)-2))
		for _, sha := range h.args[2:] {
			h.truth(isUnlock(sha))
		}
		return nil
	}
	return h.subUnknown("SCRIPT")
}
