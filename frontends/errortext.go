package frontends

import (
	"context"
	"errors"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// errorLimit is the longest error text that a client is sent.
const errorLimit = 200

// shortID is the length below which an id is nobody's credential, and stands in
// words by chance.
const shortID = 6

// ErrorText is what a client may be told of err: one short line, never with
// the id, whatever a store's client wrote into its error.
func ErrorText(err error, r kinds.Ref) string {
	if errors.Is(err, context.Canceled) {
		return "crossfade is stopping"
	}
	if errors.Is(err, context.DeadlineExceeded) { // also within a backends.Unknown
		return "session store did not answer in time"
	}
	text := err.Error()
	if len(r.ID) >= shortID && strings.Contains(text, r.ID) {
		return "session store failed"
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
