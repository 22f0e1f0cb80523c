package memcached

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// handler speaks with one client.
type handler struct {
	c     *frontends.Conn
	p     *protocol
	s     frontends.Sessions
	quiet bool            // the command said noreply
	spoke protocolKind    // what the first byte of the connection said
	words [wordLimit]word // of the command
	refs  []kinds.Ref     // of a get
	flags [metaLimit]metaFlag
	pkt   packet // of the binary protocol
	kept  []byte // of a line whose data was read: key and opaque
}

type word = []byte

// protocolKind is what a connection speaks, from its first byte on.
type protocolKind uint8

const (
	text    protocolKind = iota + 1 // lines: ASCII and meta commands
	packets                         // the binary protocol
)

var _ frontends.Handler = (*handler)(nil)

// Answers.
const (
	wrong      = "ERROR\r\n"
	badLine    = "CLIENT_ERROR bad command line format\r\n"
	badChunk   = "CLIENT_ERROR bad data chunk\r\n"
	badExptime = "CLIENT_ERROR invalid exptime argument\r\n"
	badDelete  = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
	tooLarge   = "SERVER_ERROR object too large for cache\r\n"
	noKind     = "CLIENT_ERROR key is no session of crossfade's configuration: add its pattern to a kind's keys, or send this key to another server\r\n"
	isLock     = "CLIENT_ERROR key is a session's lock: crossfade takes add for it, with an expiry that lies ahead, and delete or a set of 0\r\n"
	badDelta   = "CLIENT_ERROR invalid numeric delta argument\r\n"
	nonNumeric = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
	tooMany    = "CLIENT_ERROR too many keys in one command: ask for fewer at once\r\n"
	longLine   = "CLIENT_ERROR line too long\r\n"
)

// Command reads and answers one command.
func (h *handler) Command(ctx context.Context) error {
	err := h.command(ctx)
	clear(h.words[:]) // they may hold on to a long line
	clear(h.flags[:])
	return err
}

func (h *handler) command(ctx context.Context) error {
	if h.spoke == 0 {
		b, err := h.c.First()
		if err != nil {
			return err
		}
		if h.spoke = text; b == binaryRequest {
			h.spoke = packets
		}
	}
	if h.spoke == packets {
		return h.packet(ctx)
	}
	line, err := h.c.Line()
	if errors.Is(err, frontends.ErrLine) {
		h.c.WriteString(longLine)
		return frontends.ErrFraming
	}
	if err != nil {
		return err
	}
	line = line[:len(line)-1]
	line = bytes.TrimSuffix(line, []byte{'\r'})
	name, rest := next(line)
	h.quiet = false
	switch string(name) {
	case "get":
		return h.get(ctx, rest, false)
	case "gets":
		return h.get(ctx, rest, true)
	case "gat":
		return h.getAndTouch(ctx, rest, false)
	case "gats":
		return h.getAndTouch(ctx, rest, true)
	case "mg", "ms", "md", "ma", "mn", "me":
		return h.meta(ctx, name, rest)
	}
	words := h.split(rest)
	switch string(name) {
	case "set":
		return h.store(ctx, words, setMode, false)
	case "add":
		return h.store(ctx, words, addMode, false)
	case "replace":
		return h.store(ctx, words, replaceMode, false)
	case "append":
		return h.store(ctx, words, appendMode, false)
	case "prepend":
		return h.store(ctx, words, prependMode, false)
	case "cas":
		return h.store(ctx, words, setMode, true)
	case "incr":
		return h.increase(ctx, words, false)
	case "decr":
		return h.increase(ctx, words, true)
	case "touch":
		return h.touch(ctx, words)
	case "delete":
		return h.delete(ctx, words)
	case "version":
		h.c.WriteString(h.p.version)
		return nil
	case "verbosity":
		return h.verbosity(words)
	case "stats":
		return h.stats(words)
	case "quit":
		return frontends.ErrQuit
	}
	return h.refuse(name, words)
}

// answer sends s unless the client wants none. (memcached keeps quiet about
// errors too.)
func (h *handler) answer(s string) error {
	if !h.quiet {
		h.c.WriteString(s)
	}
	return nil
}

// fail answers an error of Sessions. It is never a miss.
func (h *handler) fail(err error, r kinds.Ref) error {
	switch {
	case errors.Is(err, backends.ErrTooLarge):
		return h.answer(tooLarge)
	case errors.Is(err, backends.ErrKey):
		return h.answer(badLine)
	case errors.Is(err, backends.ErrRevoked):
		return h.answer("NOT_STORED" + crlf)
	}
	return h.answer("SERVER_ERROR " + frontends.ErrorText(err, r) + crlf)
}

// unsupported answers what is refused, and counts it.
func (h *handler) unsupported(class, answer string) error {
	if o := h.c.Options.Observer; o != nil {
		o.Unsupported(class)
	}
	return h.answer(answer)
}

// resolve tells what a key stands for. If it is nothing, problem is the answer.
func (h *handler) resolve(key word) (r kinds.Ref, problem string) {
	if !valid(key) {
		return r, badLine
	}
	r, ok := h.s.Resolve(key)
	if !ok {
		return r, noKind
	}
	return r, ""
}

// reject answers what resolve found.
func (h *handler) reject(problem string) error {
	switch problem {
	case noKind:
		return h.unsupported(frontends.ClassKey, problem)
	case isLock:
		return h.unsupported(frontends.ClassLock, problem)
	}
	if strings.HasPrefix(problem, flagRefused) {
		return h.unsupported(frontends.ClassMeta, problem)
	}
	return h.answer(problem)
}

// silence notes a trailing noreply, as memcached does: the last word, whatever
// stands before it.
func (h *handler) silence(words []word) {
	h.quiet = len(words) > 0 && string(words[len(words)-1]) == "noreply"
}
