package redis

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

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

// sessionArgs is what the scripts take of a session: data, end and, with
// KeepFlags, what to keep beside it.
func (n *node) sessionArgs(args []any, sess backends.Session) []any {
	args = append(args, sess.Data, n.end(sess.Deadline))
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
func parseFlags(kept string, k backends.Key, data []byte) uint32 {
	rest, ok := strings.CutPrefix(kept, "1 ")
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

// getWithFlags reads a session and its flags in one step.
func (s *Store) getWithFlags(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	var cmd *goredis.Cmd
	err := s.view(ctx, "get", k.Name, func(c goredis.Cmdable) error {
		keys := []string{k.Name, s.flagsKey(k)}
		cmd = c.EvalSha(ctx, scriptGet.sha, keys)
		if goredis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			// Loaded first: after ASK only the first command goes through, and the
			// next try finds the script.
			c.ScriptLoad(ctx, scriptGet.text)
			cmd = c.EvalSha(ctx, scriptGet.sha, keys)
		}
		return cmd.Err()
	})
	if err != nil {
		return backends.Session{}, false, err
	}
	answer, err := cmd.Slice()
	if err != nil || len(answer) != 2 {
		return backends.Session{}, false, s.read(ctx, "get", errAnswer)
	}
	text, found := answer[0].(string)
	if !found {
		return backends.Session{Key: k}, false, nil
	}
	kept, _ := answer[1].(string)
	data := []byte(text)
	return backends.Session{Key: k, Data: data, Flags: parseFlags(kept, k, data), DeadlineUnknown: true}, true, nil
}

var errAnswer = errors.New("backends/redis: an answer of another form")
