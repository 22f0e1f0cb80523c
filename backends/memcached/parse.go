package memcached

import (
	"errors"
	"fmt"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/stream"
)

// errProtocol is what a server gets that answers something else than was
// asked: its connection is closed, since from there on nobody knows whose
// answer is whose.
var errProtocol = stream.ErrProtocol

// errServer is returned when the server refuses a command (SERVER_ERROR).
var errServer = errors.New("memcached: refused by the server")

var errOutOfMemory = fmt.Errorf("%w: out of memory; raise its -m, or see stats items", errServer)

const (
	maxLine  = 2048    // bytes of an answer's first line: a key of 250 and flags are far below
	maxValue = 1 << 30 // the largest item a server can be told to take (-I)
)

// parseAnswer reads the first line of the answer to cmd, without its end of
// line, into a. size is the length of the value that follows, -1 for none. An
// error means that the connection can no longer be trusted.
func parseAnswer(line []byte, cmd *command, a *answer) (size int, err error) {
	*a = answer{left: leftUnknown}
	code, rest := word(line)
	switch string(code) {
	case "SERVER_ERROR":
		a.status, a.err = stRefused, serverError(string(rest))
		return -1, nil
	case "HD":
		if cmd.verb == vGet || cmd.verb == vBump || plainStore(cmd) {
			return -1, errProtocol
		}
		return -1, parseFlags(rest, cmd, a)
	case "VA":
		if cmd.verb != vGet {
			return -1, errProtocol
		}
		digits, rest := word(rest)
		n, ok := number(digits)
		if !ok || n > maxValue {
			return -1, errProtocol
		}
		return int(n), parseFlags(rest, cmd, a)
	case "EN":
		a.status = stMissing
		if !reads(cmd) {
			return -1, errProtocol
		}
		return -1, nil
	case "NF", "NOT_FOUND":
		a.status = stMissing
	case "EX", "EXISTS":
		a.status = stExists
	case "NS", "NOT_STORED":
		a.status = stNotStored
	case "STORED":
	default: // CLIENT_ERROR and ERROR too: what was sent was not understood
		return -1, errProtocol
	}
	if reads(cmd) || (len(code) == 2) == plainStore(cmd) {
		return -1, errProtocol
	}
	if del := cmd.verb == vDelete || cmd.verb == vDeleteIf; del && a.status == stNotStored {
		return -1, errProtocol
	}
	return -1, nil
}

// reads tells whether cmd goes out as mg.
func reads(cmd *command) bool {
	return cmd.verb == vGet || cmd.verb == vLook || cmd.verb == vTouch
}

// plainStore tells whether cmd goes out as set, add, cas or append.
func plainStore(cmd *command) bool {
	switch cmd.verb {
	case vSet, vAdd, vSwap:
		return !cmd.token
	}
	return cmd.verb == vBump
}

// parseFlags reads the flags after HD or VA, and holds the key, where it was
// asked for, against the one of the command: one session's data must never be
// given to another. Flags that were not asked for (W, X, Z) are skipped.
func parseFlags(rest []byte, cmd *command, a *answer) error {
	sameKey := cmd.verb != vGet
	for len(rest) > 0 {
		var f []byte
		f, rest = word(rest)
		if len(f) == 0 {
			continue // a space at the end
		}
		v := f[1:]
		switch f[0] {
		case 'k':
			if string(v) != cmd.key {
				return errProtocol
			}
			sameKey = true
		case 'f':
			n, ok := number(v)
			if !ok || n > 1<<32-1 {
				return errProtocol
			}
			a.flags = uint32(n)
		case 'c':
			n, ok := number(v)
			if !ok {
				return errProtocol
			}
			a.cas = n
		case 's':
			n, ok := number(v)
			if !ok || n > maxValue {
				return errProtocol
			}
			a.size = int(n)
		case 't':
			if string(v) == "-1" {
				a.left = leftNever
				continue
			}
			n, ok := number(v)
			if !ok || n > 1<<33 {
				return errProtocol
			}
			a.left = int64(n)
		}
	}
	if !sameKey {
		return errProtocol
	}
	return nil
}

// word cuts the first word off.
func word(b []byte) (first, rest []byte) {
	for i, c := range b {
		if c == ' ' {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// number reads decimal digits, and nothing else, that fit 64 bits.
func number(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// serverError turns the text of a SERVER_ERROR into one of our errors. The text
// itself is not passed on: what another program writes there is not known.
func serverError(text string) error {
	switch {
	case text == "object too large for cache":
		return backends.ErrTooLarge
	case len(text) >= 13 && text[:13] == "out of memory":
		return errOutOfMemory
	}
	return errServer
}
