package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Marks gives the members of the set (docs/formats.md).
func (s *Store) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	if err := s.enter(ctx, k); err != nil {
		return nil, err
	}
	c, err := s.send(ctx, "marks", s.mark(k), false, func(_ *node, c *call) { c.cmd(2, "smembers").str(s.mark(k)) })
	if err != nil {
		return nil, err
	}
	defer c.Free()
	members, err := c.answer(0).items(len(c.answer(0).list))
	if err != nil {
		return nil, s.plain("marks", err)
	}
	var ms []backends.Mark
	for i := range members {
		m, err := parseMark(string(members[i].text))
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// PutMark adds a member in one step. It lengthens the life of the marks that
// are there and never shortens it: an agent that asks for less must not end
// another's mark.
func (s *Store) PutMark(ctx context.Context, k backends.Key, m backends.Mark, ttl time.Duration) error {
	if err := s.enter(ctx, k); err != nil {
		return err
	}
	var px int64
	if ttl > 0 {
		px = ttlMillis(ttl)
	}
	_, err := s.script(ctx, "put mark", scriptMark, []string{s.mark(k)}, 2, func(_ *node, c *call) { c.str(formatMark(m)).num(px) })
	return err
}

// DropMarks removes members.
func (s *Store) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	if err := s.enter(ctx, k); err != nil || len(ms) == 0 {
		return err
	}
	_, err := s.count(ctx, "drop marks", s.mark(k), func(_ *node, c *call) {
		c.cmd(2+len(ms), "srem").str(s.mark(k))
		for _, m := range ms {
			c.str(formatMark(m))
		}
	})
	return err
}

func (s *Store) mark(k backends.Key) string { return backends.MarkKey(s.opts.Migration, k).Name }

// formatMark writes one member: version, agent, write, and two quoted strings.
func formatMark(m backends.Mark) string {
	return fmt.Sprintf("1 %s %d %q %q", m.Agent, m.Write, m.Conn, m.RunID)
}

var errMark = errors.New("backends/redis: a mark of a form that this version does not know")

// parseMark reads what formatMark wrote. A mark that cannot be read is an
// error: who goes on as if there were none may serve old data.
func parseMark(member string) (m backends.Mark, err error) {
	version, rest, _ := strings.Cut(member, " ")
	agent, rest, _ := strings.Cut(rest, " ")
	write, rest, ok := strings.Cut(rest, " ")
	if !ok || version != "1" {
		return m, errMark
	}
	m.Agent = agent
	if m.Write, err = strconv.ParseUint(write, 10, 64); err != nil {
		return m, errMark
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return m, errMark
	}
	if m.Conn, err = strconv.Unquote(quoted); err != nil {
		return m, errMark
	}
	if m.RunID, err = strconv.Unquote(strings.TrimPrefix(rest[len(quoted):], " ")); err != nil {
		return m, errMark
	}
	return m, nil
}
