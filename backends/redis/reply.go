package redis

import (
	"bufio"
	"io"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends/stream"
)

// reply is one answer of the server (RESP2: Redis serialization protocol
// specification, "RESP protocol description").
type reply struct {
	kind byte // + - : $ *
	null bool // of $ and *
	n    int64
	text []byte // of + - $; belongs to whoever asked
	list []reply
}

// answerError is an error that the server answered; Store.reply makes it fit to
// be shown.
type answerError string

var _ goredis.Error = answerError("")

func (e answerError) Error() string { return string(e) }

// RedisError implements goredis.Error: guards, which go-redis carries, and
// calls have one kind of errors.
func (answerError) RedisError() {}

func (r *reply) err() error {
	if r.kind == '-' {
		return answerError(r.text)
	}
	return nil
}

// str is a string that may be absent.
func (r *reply) str() (text []byte, found bool, err error) {
	switch {
	case r.kind == '-':
		return nil, false, r.err()
	case r.kind != '$':
		return nil, false, errAnswer
	}
	return r.text, !r.null, nil
}

func (r *reply) num() (int64, error) {
	switch r.kind {
	case ':':
		return r.n, nil
	case '-':
		return 0, r.err()
	}
	return 0, errAnswer
}

// items is an array of so many.
func (r *reply) items(n int) ([]reply, error) {
	switch {
	case r.kind == '-':
		return nil, r.err()
	case r.kind != '*', len(r.list) != n:
		return nil, errAnswer
	}
	return r.list, nil
}

const (
	maxBulk  = 512 << 20 // proto-max-bulk-len
	maxItems = 1 << 20
	maxDepth = 8
)

// readReply reads one answer. Of one that nobody waits for no value is kept.
func readReply(br *bufio.Reader, r *reply, left bool) error {
	return readNested(br, r, left, maxDepth)
}

func readNested(br *bufio.Reader, r *reply, left bool, depth int) error {
	line, err := br.ReadSlice('\n')
	if err != nil || len(line) < 3 || line[len(line)-2] != '\r' {
		if err == nil || err == bufio.ErrBufferFull {
			err = stream.ErrProtocol
		}
		return err
	}
	rest := line[1 : len(line)-2]
	*r = reply{kind: line[0], list: r.list[:0]}
	switch r.kind {
	case '+':
		if !plain(rest) {
			r.text = append([]byte(nil), rest...)
		}
		return nil
	case '-':
		r.text = append([]byte(nil), rest...)
		return nil
	case ':', '$', '*':
	default:
		return stream.ErrProtocol
	}
	n, ok := integer(rest)
	if !ok {
		return stream.ErrProtocol
	}
	if r.n = n; r.kind == ':' {
		return nil
	}
	if n == -1 {
		r.null = true
		return nil
	}
	if r.kind == '$' {
		if n < 0 || n > maxBulk {
			return stream.ErrProtocol
		}
		return readBulk(br, r, int(n), left)
	}
	if n < 0 || n > maxItems || depth == 0 {
		return stream.ErrProtocol
	}
	for i := range int(n) {
		if i == cap(r.list) {
			r.list = append(r.list, reply{})
		}
		r.list = r.list[:i+1]
		if err := readNested(br, &r.list[i], left, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// plain tells of what every change is answered: it is worth no memory.
func plain(text []byte) bool { return string(text) == "OK" || string(text) == "QUEUED" }

// readBulk reads a value and its end of line. A server that only promises much
// does not get the memory for it before it comes.
func readBulk(br *bufio.Reader, r *reply, size int, left bool) (err error) {
	const step = 1 << 20
	if left {
		_, err = br.Discard(size)
	} else {
		r.text = make([]byte, min(size, step))
		_, err = io.ReadFull(br, r.text)
		for err == nil && len(r.text) < size {
			from := len(r.text)
			r.text = append(r.text, make([]byte, min(size-from, max(step, from)))...)
			_, err = io.ReadFull(br, r.text[from:])
		}
	}
	if err != nil {
		return err
	}
	cr, err := br.ReadByte()
	if err != nil {
		return err
	}
	lf, err := br.ReadByte()
	if err == nil && (cr != '\r' || lf != '\n') {
		err = stream.ErrProtocol
	}
	return err
}

// integer reads a decimal number that fits 64 bits, with or without a minus.
func integer(b []byte) (n int64, ok bool) {
	neg := len(b) > 1 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}
