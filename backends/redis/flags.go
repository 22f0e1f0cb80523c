package redis

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

// Client flags of a session lie in a string beside it (backends.FlagsKey),
// with the same deadline, where they are not Key.Usual: "1 <flags> <hash>",
// decimal, and the first 16 bytes of the data's SHA-256 in lower-case hex. A
// native client that overwrites the session knows nothing of it, and the hash
// makes it void. Every write through a Store writes it, or removes it, in one
// step with the session.

func (s *Store) flagsKey(k backends.Key) string {
	return backends.FlagsKey(s.opts.Migration, k).Name
}

// kin is the session's name and what is written with it: the tombstone and,
// with KeepFlags, the flags.
func (s *Store) kin(k backends.Key) []string {
	if s.opts.KeepFlags {
		return []string{k.Name, s.gone(k), s.flagsKey(k)}
	}
	return []string{k.Name, s.gone(k)}
}

// written is the part of the kin that a write of the session writes.
func (s *Store) written(k backends.Key) []string {
	if s.opts.KeepFlags {
		return []string{k.Name, s.flagsKey(k)}
	}
	return []string{k.Name}
}

// sessionArgs is what a line's scripts take of a session: data, end and, with
// KeepFlags, what to keep beside it.
func (n *node) sessionArgs(args []any, sess backends.Session, end int64) []any {
	// A copy: the line may be sending it when the caller has left.
	args = append(args, bytes.Clone(sess.Data), end)
	if n.store.opts.KeepFlags {
		args = append(args, formatFlags(sess))
	}
	return args
}

// formatFlags is empty for flags that need no key.
func formatFlags(sess backends.Session) string {
	if sess.Flags == sess.Key.Usual {
		return ""
	}
	return "1 " + strconv.FormatUint(uint64(sess.Flags), 10) + " " + dataHash(sess.Data)
}

func dataHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}

// parseFlags gives the flags of data under k, of which kept stands beside it.
// What is of another form, or of other data, is void.
func parseFlags(kept []byte, k backends.Key, data []byte) uint32 {
	rest, ok := strings.CutPrefix(string(kept), "1 ")
	if !ok {
		return k.Usual
	}
	number, hash, _ := strings.Cut(rest, " ")
	flags, err := strconv.ParseUint(number, 10, 32)
	if err != nil || hash != dataHash(data) {
		return k.Usual
	}
	return uint32(flags)
}

// setWithFlags writes a session and its flags in one step. (A script costs the
// server more than the four commands do.)
func (s *Store) setWithFlags(ctx context.Context, sess backends.Session) error {
	beside, kept := s.flagsKey(sess.Key), formatFlags(sess)
	c, err := s.send(ctx, "set", sess.Key.Name, true, func(n *node, c *call) {
		end := n.end(sess.Deadline)
		if end == endPast {
			c.cmd(3, "del").str(sess.Key.Name).str(beside)
			return
		}
		c.cmd(1, "multi")
		n.set(c, sess.Key.Name, sess.Data, end)
		if kept == "" {
			c.cmd(2, "del").str(beside)
		} else {
			n.set(c, beside, []byte(kept), end)
		}
		c.cmd(1, "exec")
	})
	if err != nil {
		return err
	}
	defer c.Free()
	last := c.answer(c.cmds - c.skip - 1)
	for i := range last.list { // what failed when it was run
		if err := last.list[i].err(); err != nil {
			return s.reply("set", err)
		}
	}
	return nil
}

// getWithFlags reads a session and its flags in one step. MGET gives nil also
// for what is no string: the script says so.
func (s *Store) getWithFlags(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	beside := s.flagsKey(k)
	c, err := s.send(ctx, "get", k.Name, false, func(_ *node, c *call) { c.cmd(3, "mget").str(k.Name).str(beside) })
	if err == nil && (len(c.answer(0).list) == 0 || c.answer(0).list[0].null) {
		c.Free()
		c, err = s.eval(ctx, "get", false, scriptGet, []string{k.Name, beside}, 0, func(*node, *call) {})
	}
	if err != nil {
		return backends.Session{}, false, err
	}
	defer c.Free()
	both, err := c.answer(0).items(2)
	if err != nil {
		return backends.Session{}, false, s.plain("get", err)
	}
	data, found, err := both[0].str()
	if !found {
		return backends.Session{Key: k}, false, s.plain("get", err)
	}
	return backends.Session{Key: k, Data: data, Flags: parseFlags(both[1].text, k, data), DeadlineUnknown: true}, true, nil
}

var errAnswer = errors.New("backends/redis: an answer of another form")
