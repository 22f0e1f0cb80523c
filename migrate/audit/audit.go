// Package audit is the log of a migration: who asked for what, from where and
// why, what taking it back would have cost, and what came of it. Each line holds
// the sum of the line before it, and a page beside the log the sum of the last:
// a line that was changed, cut out or cut off at the end is found.
//
//	l := audit.New(b)
//	err := l.Append(ctx, audit.Entry{Who: "ada@web-1", Verb: "ramp", Args: args, Outcome: audit.Asked})
//	found, err := l.Verify(ctx)
//
// It finds what somebody changed who did not make all sums anew; who can write
// the book and this program can do that. For more, let a webhook carry the sums
// to another place. No session id and no secret is in it.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/migrate/book"
)

// Entry is one line. N, At, Torn, Prev and Sum are filled in by Append.
type Entry struct {
	N    int       `json:"n"` // from 1
	At   time.Time `json:"at"`
	Who  string    `json:"who,omitempty"`  // a person's login, "plan", or a server
	From string    `json:"from,omitempty"` // the address of who asked
	Why  string    `json:"why,omitempty"`
	Verb string    `json:"verb"`
	// Args are the verb's, in JSON.
	Args json.RawMessage `json:"args,omitempty"`
	// Goal is the same in all lines of one thing that was asked for.
	Goal string `json:"goal,omitempty"`
	// Text is what a revision does, in words.
	Text string `json:"text,omitempty"`
	// Epoch is of the revision that this is about; 0: of none.
	Epoch uint64 `json:"epoch,omitempty"`
	// Back is what taking it back would cost, said before it was done.
	Back []string `json:"taking_it_back,omitempty"`
	// Gates are what each gate of the plan said when this was asked for.
	Gates []Gate `json:"gates,omitempty"`
	// Outcome in words: Asked before it begins, then Done or what went wrong.
	Outcome string `json:"outcome"`
	// Torn lines stand right before this one: a crash cut them short.
	Torn int    `json:"torn,omitempty"`
	Prev string `json:"prev"` // sum of the line before; empty: this is the first
	// Sum is the SHA-256 of the line without it, lower-case hex.
	Sum string `json:"sum,omitempty"`
}

// Gate is what one gate of the plan said.
type Gate struct {
	Gate  string `json:"gate"`
	State string `json:"state"` // pass, fail, inconclusive
	Text  string `json:"text"`  // the numbers in words
}

// Outcomes; another is an error in words.
const (
	Asked     = "asked"     // before it begins
	Done      = "done"      // it has ended well
	Published = "published" // a revision: written before it is
)

const (
	// lineMost is what a book takes in a line: MySQL's BLOB has 65,535 bytes.
	lineMost = 60 << 10
	textMost = 2 << 10 // of one text
	lockMost = 10 * time.Second
	chunk    = 500 // lines at once
)

// Log is the log of one migration. It is safe for concurrent use, also by
// several processes.
type Log struct {
	b book.Book
	// now is the clock; tests have their own.
	now func() time.Time
	// told is called with each entry that was written; nil: nobody is told.
	told func(Entry)
}

// New makes the log of a book. told, where not nil, hears each entry that this
// Log writes, and must not block.
func New(b book.Book, told func(Entry)) *Log { return &Log{b: b, now: time.Now, told: told} }

// head says where the log ends.
type head struct {
	Version int    `json:"version"`
	Lines   int    `json:"lines"` // torn ones, too
	N       int    `json:"n"`
	Sum     string `json:"sum"`
}

// Append writes one line. It is on disk when the call returns.
func (l *Log) Append(ctx context.Context, e Entry) error {
	lock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	h, err := l.end(ctx)
	if err != nil {
		return err
	}
	last, torn, err := l.overhang(ctx, h)
	if err != nil {
		return err
	}
	e.N, e.At, e.Prev, e.Torn = last.N+1, l.now().UTC().Truncate(time.Millisecond), last.Sum, torn
	line, sum, err := e.line()
	if err != nil {
		return err
	}
	e.Sum = sum
	if err := l.b.Append(ctx, line); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := l.save(ctx, lock, head{Version: 1, Lines: last.Lines + torn + 1, N: e.N, Sum: sum}); err != nil {
		return err
	}
	if l.told != nil {
		l.told(e)
	}
	return nil
}

// overhang is where the log really ends: a crash may have come between a line
// and the head, or in the middle of a line.
func (l *Log) overhang(ctx context.Context, h head) (last head, torn int, err error) {
	lines, err := l.b.Lines(ctx, h.Lines, chunk)
	if err != nil {
		return h, 0, fmt.Errorf("audit: %w", err)
	}
	for _, line := range lines {
		e, err := parse(line)
		if err != nil || e.Prev != h.Sum || e.N != h.N+1 || e.Torn != torn {
			torn++
			continue
		}
		h.Lines, h.N, h.Sum, torn = h.Lines+torn+1, e.N, e.Sum, 0
	}
	return h, torn, nil
}

func (l *Log) end(ctx context.Context) (head, error) {
	h := head{Version: 1}
	data, err := l.b.Load(ctx, book.Head)
	if err != nil || data == nil {
		return h, err
	}
	if err := json.Unmarshal(data, &h); err != nil || h.Version != 1 {
		return h, fmt.Errorf("audit: %s is damaged, or of another version: move it and the log away together, and keep both", l.b.Where(book.Head))
	}
	return h, nil
}

func (l *Log) save(ctx context.Context, by book.Lock, h head) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := l.b.Save(ctx, by, book.Head, append(data, '\n')); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func (l *Log) lock(ctx context.Context) (book.Lock, error) {
	for end := time.Now().Add(lockMost); ; {
		lock, err := l.b.TryLock(ctx, book.Log)
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		if lock != nil {
			return lock, nil
		}
		if time.Now().After(end) {
			return nil, errors.New("audit: another process has been writing the log for 10 s: end it")
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// The sum stands last, so that it can be cut off the bytes as they are: what
// another version adds to a line is in its sum, too.
const (
	sumBefore = `,"sum":"`
	sumAfter  = `"}`
)

func (e *Entry) line() (line []byte, sum string, err error) {
	e.Sum, e.Why, e.Outcome = "", short(e.Why), short(e.Outcome)
	e.Back = slices.Clone(e.Back)
	for i := range e.Back {
		e.Back[i] = short(e.Back[i])
	}
	e.Gates = slices.Clone(e.Gates)
	for i := range e.Gates {
		e.Gates[i].Text = short(e.Gates[i].Text)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, "", fmt.Errorf("audit: %w", err)
	}
	if len(body) > lineMost {
		return nil, "", fmt.Errorf("audit: a line of %d bytes: accepted are %d", len(body), lineMost)
	}
	sum = sumOf(body)
	return []byte(string(body[:len(body)-1]) + sumBefore + sum + sumAfter), sum, nil
}

func sumOf(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}

// parse reads a line, and refuses one whose sum is not its own.
func parse(line []byte) (e Entry, err error) {
	text, ok := strings.CutSuffix(string(line), sumAfter)
	at := len(text) - 2*sha256.Size - len(sumBefore)
	if !ok || at < 1 || text[at:at+len(sumBefore)] != sumBefore {
		return e, errors.New("is no whole line")
	}
	body := []byte(text[:at] + "}")
	if err := json.Unmarshal(body, &e); err != nil {
		return e, errors.New("cannot be read")
	}
	if e.Sum = text[at+len(sumBefore):]; sumOf(body) != e.Sum {
		return e, errors.New("was changed: its sum is another")
	}
	return e, nil
}

func short(text string) string {
	if len(text) > textMost {
		return strings.ToValidUTF8(text[:textMost], "") + "…"
	}
	return text
}
