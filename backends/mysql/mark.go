package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Marks gives the entries: one row each.
func (s *Store) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	if err := s.enter(ctx, k); err != nil {
		return nil, err
	}
	got := make(chan []backends.Mark, attempts)
	err := s.read(ctx, "marks", func(c *conn) error {
		var ms []backends.Mark
		err := c.query(func(v []driver.Value) error {
			m, err := parseMark(text(v[0]))
			ms = append(ms, m)
			return err
		}, "SELECT `member` FROM "+c.own.name+" WHERE "+ofMarks+" AND `expires_ms` > "+nowMs, []byte(s.mark(k)))
		if err == nil {
			got <- ms
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-got, nil
}

const ofMarks = "`kind` = '" + rowMark + "' AND `name` = ?"

// PutMark adds an entry, and lengthens the life of those that live: two
// statements, one transaction.
func (s *Store) PutMark(ctx context.Context, k backends.Key, m backends.Mark, ttl time.Duration) error {
	if err := s.enter(ctx, k); err != nil {
		return err
	}
	end := neverMillis
	if ttl > 0 {
		end = fmt.Sprintf("%s + %d", nowMs, ttlMillis(ttl))
	}
	member := formatMark(m)
	if len(member) > maxMember {
		return errMark
	}
	_, err := s.change(ctx, "put mark", false, func(c *conn) (string, []any, error) {
		name := []byte(s.mark(k))
		return "UPDATE " + c.own.name + " SET `expires_ms` = GREATEST(`expires_ms`, " + end + ") WHERE " + ofMarks + " AND `expires_ms` > " + nowMs +
			"; INSERT INTO " + c.own.name + " (`kind`, `name`, `member`, `data`, `flags`, `expires_ms`) VALUES ('" + rowMark + "', ?, ?, '', 0, " + end + ")" +
			" ON DUPLICATE KEY UPDATE `expires_ms` = GREATEST(`expires_ms`, VALUES(`expires_ms`))", []any{name, name, []byte(member)}, nil
	})
	s.sweep()
	return err
}

// DropMarks removes entries, in one statement.
func (s *Store) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	if err := s.enter(ctx, k); err != nil || len(ms) == 0 {
		return err
	}
	_, err := s.change(ctx, "drop marks", true, func(c *conn) (string, []any, error) {
		args := []any{[]byte(s.mark(k))}
		for _, m := range ms {
			args = append(args, []byte(formatMark(m)))
		}
		return "DELETE FROM " + c.own.name + " WHERE " + ofMarks + " AND `member`" + in(len(ms)), args, nil
	})
	return err
}

// maxMember is the width of the column, in bytes.
const maxMember = 400

// formatMark writes an entry: version, agent, write, and two texts in
// hexadecimal, after an x so that none is empty.
func formatMark(m backends.Mark) string {
	return fmt.Sprintf("1 %s %d x%x x%x", m.Agent, m.Write, m.Conn, m.RunID)
}

var errMark = errors.New("backends/mysql: a mark of a form that this version does not know, or too long")

// parseMark reads what formatMark wrote. A mark that cannot be read is an
// error: who goes on as if there were none may serve old data.
func parseMark(member string) (m backends.Mark, err error) {
	f := strings.Split(member, " ")
	if len(f) != 5 || f[0] != "1" || !strings.HasPrefix(f[3], "x") || !strings.HasPrefix(f[4], "x") {
		return m, verdict{errMark}
	}
	m.Agent = f[1]
	write, err1 := strconv.ParseUint(f[2], 10, 64)
	addr, err2 := hex.DecodeString(f[3][1:])
	run, err3 := hex.DecodeString(f[4][1:])
	if errors.Join(err1, err2, err3) != nil {
		return m, verdict{errMark}
	}
	m.Write, m.Conn, m.RunID = write, string(addr), string(run)
	return m, nil
}
