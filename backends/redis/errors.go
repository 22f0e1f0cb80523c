package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/stream"
)

// ReplyError is an error that the server answered: nothing was changed, and it
// is never a miss. Its text holds no key, data or password.
type ReplyError struct {
	Op   string // what was asked: "set"
	Code string // the first word of the answer: OOM, READONLY, LOADING, NOAUTH, WRONGTYPE …
	Text string // the rest, up to the first quoted word: servers quote what they were sent
}

func (e *ReplyError) Error() string {
	msg := "backends/redis: " + e.Op + ": server answered " + e.Code
	if e.Text != "" {
		msg += " " + e.Text
	}
	if hint := hints[e.Code]; hint != "" {
		msg += " (" + hint + ")"
	}
	return msg
}

var hints = map[string]string{
	"OOM":        "maxmemory is reached: give the server more, or an eviction policy",
	"READONLY":   "this server is a replica: point at the primary",
	"LOADING":    "the server is loading its data: wait",
	"NOAUTH":     "the server wants a password",
	"WRONGPASS":  "user name or password is wrong",
	"NOPERM":     "the ACL user may not do this",
	"MISCONF":    "the server cannot save to disk and refuses writes",
	"MASTERDOWN": "this replica has lost its primary",
	"MOVED":      "this is a node of a cluster: configure it as one",
	"CROSSSLOT":  "this is a node of a cluster: configure it as one",
	"TRYAGAIN":   "the slot is being moved: wait",
	"WRONGTYPE":  "the key holds something that is no session",
}

// isReply tells whether err is an answer of the server to what was asked, so
// that the connection is in step.
func isReply(err error) bool {
	var r goredis.Error
	// A sticky connection that go-redis has given up says so around the answer
	// for which it did: nothing was sent then.
	return errors.As(err, &r) && !strings.HasPrefix(err.Error(), "redis: Conn is in a bad state")
}

// givesUp tells whether go-redis does not use a connection again after this
// answer: the server's role has changed, and its name may lead elsewhere now.
func givesUp(err error) bool {
	return err != nil && (goredis.HasErrorPrefix(err, "READONLY") || goredis.HasErrorPrefix(err, "MOVED"))
}

// reply makes the server's errors fit to be shown. Others pass.
func (s *Store) reply(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, unknown := backends.IsUnknown(err); unknown || !isReply(err) || errors.Is(err, goredis.Nil) {
		return err
	}
	if errors.Is(err, goredis.TxFailedErr) {
		return backends.ErrConflict
	}
	var answer goredis.Error // without what go-redis has put around it
	errors.As(err, &answer)
	code, text, _ := strings.Cut(answer.Error(), " ")
	if i := strings.IndexAny(text, "'`\"\r\n"); i >= 0 {
		text = text[:i]
	}
	if len(code) > 20 || strings.ToUpper(code) != code {
		code, text = "ERR", "" // proxies answer what they like
	}
	return &ReplyError{Op: op, Code: code, Text: strings.TrimSpace(text[:min(len(text), 80)])}
}

// plain makes errors of the connection fit to be shown: go-redis puts what it
// could not read, which may be data, into some of its own.
func (s *Store) plain(op string, err error) error {
	if err == nil {
		return nil // before the variables, which are on the heap
	}
	var netErr net.Error
	var answered *ReplyError
	switch {
	case errors.As(err, &answered):
		return err // it was made fit before
	case isReply(err):
		return s.reply(op, err)
	case s.closed.Load():
		return backends.ErrClosed
	case errors.Is(err, goredis.ErrClosed):
		return errRetired
	case errors.Is(err, errNoPrimary), errors.Is(err, errRetired):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, goredis.ErrPoolTimeout):
		return fmt.Errorf("%w: reads", backends.ErrBusy)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return timeoutError(op)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errOneConnection),
		errors.Is(err, net.ErrClosed), errors.Is(err, stream.ErrLost), errors.As(err, &netErr):
		return fmt.Errorf("backends/redis: %s: %w", op, err)
	}
	return fmt.Errorf("backends/redis: %s: the answer cannot be read", op)
}

// timeoutError is a deadline of ours or the context's.
func timeoutError(op string) error {
	return fmt.Errorf("backends/redis: %s: %w", op, context.DeadlineExceeded)
}

// read makes an error of the reading client fit to be shown.
func (s *Store) read(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil && !isReply(err) {
		return cause
	}
	return s.plain(op, err)
}

func isAgain(err error) bool { return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK }
