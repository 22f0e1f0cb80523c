package memcached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// markSet is the value of a MarkKey, see docs/formats.md. It holds its own
// deadline: without meta the server does not tell, and a rewrite must not
// change it.
type markSet struct {
	until time.Time // zero: without end
	marks []backends.Mark
}

var errMark = errors.New("memcached: a mark in an unknown format")

func (m *markSet) encode() []byte {
	until := int64(0)
	if !m.until.IsZero() {
		until = m.until.UnixMilli()
	}
	b := fmt.Appendf(nil, "m1 %d\n", until)
	for _, x := range m.marks {
		b = fmt.Appendf(b, "%s %d =%s =%s\n", x.Agent, x.Write, url.QueryEscape(x.Conn), url.QueryEscape(x.RunID))
	}
	return b
}

func decodeMarks(data []byte) (m markSet, err error) {
	head, rest, _ := bytes.Cut(data, []byte("\n"))
	digits, ok := bytes.CutPrefix(head, []byte("m1 "))
	until, err := strconv.ParseInt(string(digits), 10, 64)
	if !ok || err != nil || until < 0 {
		return m, errMark
	}
	if until > 0 {
		m.until = time.UnixMilli(until)
	}
	for line := range strings.Lines(string(rest)) {
		f := strings.Split(line, " ")
		if len(f) != 4 || f[0] == "" {
			return m, errMark
		}
		conn, ok1 := strings.CutPrefix(f[2], "=")
		runID, ok2 := strings.CutPrefix(f[3], "=")
		runID, ok3 := strings.CutSuffix(runID, "\n")
		write, err1 := strconv.ParseUint(f[1], 10, 64)
		conn, err2 := url.QueryUnescape(conn)
		runID, err3 := url.QueryUnescape(runID)
		if err := errors.Join(err1, err2, err3); err != nil || !ok1 || !ok2 || !ok3 {
			return m, errMark
		}
		m.marks = append(m.marks, backends.Mark{Agent: f[0], Write: write, Conn: conn, RunID: runID})
	}
	return m, nil
}

// Marks implements backends.Marker.
func (s *Store) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	m, _, err := s.markSet(ctx, k)
	return m.marks, err
}

// PutMark implements backends.Marker. The set lives as long as the longest of
// its entries was put for.
func (s *Store) PutMark(ctx context.Context, k backends.Key, m backends.Mark, ttl time.Duration) error {
	if m.Agent == "" || strings.ContainsAny(m.Agent, " \n") {
		return errMark
	}
	return s.editMarks(ctx, k, func(set *markSet) bool {
		until := time.Time{}
		if ttl > 0 {
			until = time.Now().Add(ttl)
		}
		switch {
		case len(set.marks) == 0, until.IsZero(), !set.until.IsZero() && until.After(set.until):
			set.until = until
		}
		if !slices.Contains(set.marks, m) {
			set.marks = append(set.marks, m)
		}
		return true
	})
}

// DropMarks implements backends.Marker.
func (s *Store) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	return s.editMarks(ctx, k, func(set *markSet) bool {
		before := len(set.marks)
		set.marks = slices.DeleteFunc(set.marks, func(m backends.Mark) bool { return slices.Contains(ms, m) })
		return len(set.marks) < before
	})
}

// editMarks changes the set by compare-and-swap. edit tells whether anything
// changed. An emptied set is removed.
func (s *Store) editMarks(ctx context.Context, k backends.Key, edit func(*markSet) bool) error {
	key := backends.MarkKey(s.opts.Migration, k)
	for try := range tries {
		if try > 0 {
			if err := pause(ctx, try); err != nil {
				return err
			}
		}
		set, cas, err := s.markSet(ctx, k)
		if err != nil {
			return err
		}
		found := cas != 0
		if !edit(&set) {
			return nil
		}
		cmd := command{verb: vSwap, key: key.Name, cas: cas, data: set.encode()}
		switch {
		case !found:
			cmd.verb = vAdd
		case len(set.marks) == 0:
			cmd.verb, cmd.data = vDeleteIf, nil
		}
		if now := time.Now(); !set.until.IsZero() {
			cmd.exp = lifetime(set.until.Sub(now), now)
		}
		if err := s.checkSize(ctx, key, cmd.data); err != nil {
			return err
		}
		c := newCall().add(cmd)
		if err := s.exec(ctx, c); err != nil {
			return err
		}
		a := c.ans[0]
		c.free()
		if a.status == stOK || a.status == stRefused {
			return a.err
		}
	}
	return errContended
}

// markSet reads the set and its token, which is 0 if there is none.
func (s *Store) markSet(ctx context.Context, k backends.Key) (markSet, uint64, error) {
	if err := backends.CheckKey(k); err != nil {
		return markSet{}, 0, err
	}
	c := newCall().add(command{verb: vGet, key: backends.MarkKey(s.opts.Migration, k).Name})
	if err := s.exec(ctx, c); err != nil {
		return markSet{}, 0, err
	}
	defer c.free()
	a := &c.ans[0]
	if a.status != stOK {
		return markSet{}, 0, a.err
	}
	if a.cas == 0 {
		return markSet{}, 0, errNoCAS
	}
	m, err := decodeMarks(a.data)
	return m, a.cas, err
}

// pause waits a random moment, longer with each try.
func pause(ctx context.Context, try int) error {
	t := time.NewTimer(rand.N(time.Millisecond << min(try, 5)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("memcached: not sent: %w", ctx.Err())
	}
}
