package redis

import (
	"context"
	"errors"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

// verdict is what an error says of the place of a key.
type verdict int

const (
	nothing    verdict = iota // it is no matter of place
	moved                     // MOVED: the slot is another server's
	ask                       // ASK: this key has gone ahead
	tryAgain                  // TRYAGAIN: some keys of the call have
	unfit                     // a replica, a server that loads or has lost its cluster
	unreached                 // nothing was sent
	maybeThere                // an Unknown: not to be repeated, but a reason to look
)

// judge reads an error of a call. addr is of MOVED and ASK.
func judge(ctx context.Context, err error) (v verdict, addr string) {
	if _, unknown := backends.IsUnknown(err); unknown {
		return maybeThere, ""
	}
	var r *ReplyError
	if errors.As(err, &r) {
		switch r.Code {
		case "MOVED", "ASK":
			_, addr, _ := strings.Cut(r.Text, " ")
			if r.Code == "ASK" {
				return ask, addr
			}
			return moved, addr
		case "TRYAGAIN":
			return tryAgain, ""
		case "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN":
			return unfit, ""
		}
		return nothing, ""
	}
	for _, ours := range []error{backends.ErrBusy, backends.ErrKey, backends.ErrClosed, backends.ErrConflict, backends.ErrTooLarge, backends.ErrApart} {
		if errors.Is(err, ours) {
			return nothing, ""
		}
	}
	if ctx.Err() != nil {
		return maybeThere, ""
	}
	return unreached, ""
}
