package memcached

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Meta commands: protocol.txt, "Meta Commands", as memcached 1.6.18 has them. A
// flag that has no meaning for a command is passed over, as there.

// metaFlags are the flags that memcached knows, metaLimit how many it takes.
const (
	metaFlags = "bcfhklqstuvCDFIJLMNOPRT"
	metaLimit = 21
	// opaqueLimit is how long an opaque may be, with its letter.
	opaqueLimit = 32
)

type metaFlag struct {
	letter byte
	token  word
}

// request is one meta command. It is valid until the next one is read.
type request struct {
	given   word // the key as the client wrote it
	key     word
	r       kinds.Ref
	flags   []metaFlag
	encoded bool // b
	quiet   bool // q
	cas     uint64
	compare bool // C
}

// has finds a flag.
func (q *request) has(letter byte) (token word, ok bool) {
	for _, f := range q.flags {
		if f.letter == letter {
			return f.token, true
		}
	}
	return nil, false
}

func (h *handler) meta(ctx context.Context, name word, rest []byte) error {
	switch string(name) {
	case "mn":
		h.c.WriteString("MN\r\n")
		return nil
	case "me":
		return h.metaDebug(ctx, rest)
	}
	var q request
	if q.given, rest = next(rest); len(q.given) == 0 {
		return h.answer(wrong)
	}
	if name[1] == 's' {
		return h.metaSet(ctx, &q, rest)
	}
	strict := name[1] != 'g' // md and ma have one answer for all
	problem := h.parse(&q, rest)
	if problem == "" {
		problem = h.unsupportedFlag(&q, name[1])
	} else if strict && len(q.given) <= keyLimit && problem != manyFlags {
		problem = badFlags
	}
	if problem == "" {
		q.r, problem = h.resolve(q.key)
	}
	if problem != "" {
		return h.reject(problem)
	}
	switch name[1] {
	case 'g':
		return h.metaGet(ctx, &q)
	case 'd':
		return h.metaDelete(ctx, &q)
	}
	return h.metaCount(ctx, &q)
}

// Answers to flags.
const (
	badFlag   = "CLIENT_ERROR invalid flag\r\n"
	badFlags  = "CLIENT_ERROR invalid or duplicate flag\r\n"
	twice     = "CLIENT_ERROR duplicate flag\r\n"
	manyFlags = "CLIENT_ERROR options flags are too long\r\n"
	badToken  = "CLIENT_ERROR bad token in command line format\r\n"
	badKey64  = "CLIENT_ERROR error decoding key\r\n"
)

// parse reads flags, and the key that they speak of. Of several tokens that are
// wrong memcached tells the last; a flag that it does not know, or has twice,
// ends it.
func (h *handler) parse(q *request, rest []byte) (problem string) {
	if len(q.given) > keyLimit {
		return badLine
	}
	var seen [256]bool
	q.key, q.flags = q.given, h.flags[:0]
	for w, rest := next(rest); len(w) > 0; w, rest = next(rest) {
		f := metaFlag{w[0], w[1:]}
		switch {
		case len(q.flags) == metaLimit:
			return manyFlags
		case seen[f.letter]:
			return twice
		case strings.IndexByte(metaFlags, f.letter) < 0:
			return badFlag
		}
		seen[f.letter] = true
		if wrong := q.take(f); wrong != "" {
			problem = wrong
		}
		q.flags = append(q.flags, f)
	}
	return problem
}

// decode is the flag b.
func (q *request) decode() (problem string) {
	q.encoded = true
	key := make([]byte, base64.StdEncoding.DecodedLen(len(q.given)))
	n, err := base64.StdEncoding.Strict().Decode(key, q.given)
	if err != nil || n == 0 {
		return badKey64
	}
	q.key = key[:n]
	return ""
}

// take looks at one flag, and at its token where it must be a number.
func (q *request) take(f metaFlag) (problem string) {
	ok := true
	switch f.letter {
	case 'b':
		return q.decode()
	case 'q':
		q.quiet = true
	case 'C':
		q.compare = true
		if q.cas, ok = unsigned(f.token); !ok {
			return badToken
		}
	case 'N', 'R', 'T':
		if _, ok = exptime(f.token, time.Time{}); !ok {
			return badToken
		}
	case 'D':
		if _, ok = unsigned(f.token); !ok {
			return "CLIENT_ERROR invalid numeric delta value\r\n"
		}
	case 'J':
		if _, ok = unsigned(f.token); !ok {
			return "CLIENT_ERROR invalid numeric initial value\r\n"
		}
	case 'F':
		if _, ok = flags(f.token); !ok {
			return badLine
		}
	case 'M':
		if len(f.token) != 1 {
			return "CLIENT_ERROR incorrect length for M token\r\n"
		}
	case 'O':
		if len(f.token)+1 > opaqueLimit {
			return "CLIENT_ERROR opaque token too long\r\n"
		}
	}
	return ""
}

// noFlags are the flags that mean something to a command, and that no layer over
// two stores can serve: neither keeps stale sessions, or who won them, or when a
// session was read last.
var noFlags = map[byte]string{'g': "hlNR", 's': "I", 'd': "I"}

// flagRefused begins the answer to a flag that is refused.
const flagRefused = "CLIENT_ERROR flag "

// unsupportedFlag names a flag that is refused.
func (h *handler) unsupportedFlag(q *request, command byte) (problem string) {
	for _, f := range q.flags {
		if strings.IndexByte(noFlags[command], f.letter) < 0 {
			continue
		}
		why := "sessions are never stale, and nobody wins them: use add (ME) for a lock"
		if f.letter == 'h' || f.letter == 'l' {
			why = "the stores do not tell when a session was read"
		}
		return flagRefused + string(rune(f.letter)) + " of m" + string(rune(command)) + " is not supported by crossfade: " + why + crlf
	}
	return ""
}

// echo appends what a client is given back whatever came of its command: O and
// k, and by more what else it asked for.
func (q *request) echo(b []byte, more func(b []byte, letter byte) []byte) []byte {
	for _, f := range q.flags {
		switch f.letter {
		case 'O':
			b = append(append(b, " O"...), f.token...)
		case 'k':
			b = append(append(b, " k"...), q.given...)
			if q.encoded {
				b = append(b, " b"...)
			}
		default:
			if more != nil {
				b = more(b, f.letter)
			}
		}
	}
	return b
}

// status answers a code with what the client is given back.
func (h *handler) status(q *request, code string, more func(b []byte, letter byte) []byte) error {
	b := append(h.c.Buffer(), code...)
	h.c.KeepBuffer(append(q.echo(b, more), crlf...))
	return nil
}
