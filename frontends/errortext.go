package frontends

import (
	"context"
	"errors"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// errorLimit is the longest error text that a client is sent.
const errorLimit = 200

// ErrorText is what a client may be told of err: one short line, never with
// the id, whatever a store's client wrote into its error.
func ErrorText(err error, r kinds.Ref) string {
	text := err.Error()
	switch {
	case r.ID != "" && strings.Contains(text, r.ID):
		return "session store failed"
	case errors.Is(err, context.Canceled):
		return "crossfade is stopping"
	}
	if u, ok := backends.IsUnknown(err); ok && errors.Is(u, context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "session store did not answer in time"
	}
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f {
			return ' '
		}
		return c
	}, text)
	if len(text) > errorLimit {
		text = text[:errorLimit]
	}
	return text
}
