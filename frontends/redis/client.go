package redis

import (
	"context"

	"github.com/seed-41165957/crossfade/frontends"
)

// What libraries say at connect.

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

func (h *handler) clientID(context.Context) error { return h.number(':', int64(h.c.Number)) }

func (h *handler) clientName(context.Context) error {
	return h.value([]byte(h.name), h.name != "")
}

func (h *handler) clientSetName(context.Context) error {
	if !validName(h.args[2]) {
		return h.fault(errName)
	}
	h.name = string(h.args[2])
	return h.ok()
}

// clientInfo is `CLIENT SETINFO`, of Redis 7.2, which nobody asks for again.
func (h *handler) clientInfo(context.Context) error { return h.ok() }

// clientTracking is `CLIENT TRACKING ON|OFF …`. A client that keeps what it has
// read would have to be told of every change, through any agent.
func (h *handler) clientTracking(context.Context) error {
	if len(h.args) == 3 && word(h.args[2]) == "off" {
		return h.ok()
	}
	return h.unsupported(frontends.ClassOption, "ERR CLIENT TRACKING is not supported by crossfade: turn client-side caching off")
}
