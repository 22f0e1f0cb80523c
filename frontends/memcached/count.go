package memcached

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// counting is one command that counts, of any of the protocols.
type counting struct {
	r       kinds.Ref
	down    bool
	delta   uint64
	compare bool // count only what cas is the token of; what is made is not compared
	cas     uint64
	touch   bool // the session gets deadline
	exact   bool // the client asks how long it lives
	create  bool // where there is none, one of initial and until
	initial uint64

	deadline, until time.Time
}

// count counts. s is the session afterwards, and n its number. made: there was
// none.
func (h *handler) count(ctx context.Context, c counting) (v verdict, n uint64, s backends.Session, made bool, err error) {
	err = h.s.Edit(ctx, c.r, func(was backends.Session, found bool) (edit.Change, error) {
		made = !found
		switch {
		case !found && !c.create:
			v = none
			return edit.Leave(), nil
		case !found:
			n = c.initial
			s = backends.Session{Data: strconv.AppendUint(nil, n, 10), Deadline: c.until}
			if c.touch {
				s.Deadline = c.deadline
			}
			v = done
			return edit.Write(s), nil
		case len(was.Data) == 0: // memcached looks at this before the token
			v = noNumber
			return edit.Leave(), nil
		case c.compare && h.s.Token(was.Flags, was.Data) != c.cas:
			v = differs
			return edit.Leave(), nil
		case c.exact && !c.touch && was.DeadlineUnknown:
			v = noLife
			return edit.Leave(), nil
		}
		var ok bool
		if n, ok = numberIn(was.Data); !ok {
			v = noNumber
			return edit.Leave(), nil
		}
		switch {
		case !c.down:
			n += c.delta // wraps at 64 bits
		case n < c.delta:
			n = 0
		default:
			n -= c.delta
		}
		// A number that has become shorter is padded with spaces, as memcached
		// does: protocol.txt, "Increment/Decrement".
		s = was
		s.Data = strconv.AppendUint(make([]byte, 0, max(20, len(was.Data))), n, 10)
		for len(s.Data) < len(was.Data) {
			s.Data = append(s.Data, ' ')
		}
		if c.touch {
			s.Deadline, s.DeadlineUnknown = c.deadline, false
		}
		v = done
		return edit.Write(s), nil
	})
	return v, n, s, made, err
}

// numberIn reads the number that stands at the beginning of a value, as C's
// strtoull does: white space and a sign may stand before it, white space or a
// NUL after it, and then anything.
func numberIn(b []byte) (uint64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative, b = b[0] == '-', b[1:]
	}
	n, digits := uint64(0), 0
	for len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		d := uint64(b[0] - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n, b, digits = 10*n+d, b[1:], digits+1
	}
	if digits == 0 || len(b) > 0 && !isSpace(b[0]) && b[0] != 0 {
		return 0, false
	}
	if negative {
		n = -n
		if int64(n) < 0 {
			return 0, false
		}
	}
	return n, true
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// unsigned reads a number of 64 bits in a command.
func unsigned(w word) (uint64, bool) {
	if len(w) > 0 && isSpace(w[0]) {
		return 0, false
	}
	return numberIn(w)
}
