package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	sqldriver "github.com/go-sql-driver/mysql"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/clock"
)

// conn is one connection as statements see it. Its calls have no deadline: the
// line's caller has one.
type conn struct {
	drv    driver.Conn
	id     int64 // the server's: CONNECTION_ID()
	server server
	app    table // with what is known of its columns
	own    table
	clock  *clock.Clock // the host's
}

// noted hands what nowMs has answered to the clock; sent is when it was asked.
func (c *conn) noted(now any, sent time.Time) {
	if ms, ok := integer(now); ok {
		c.clock.Note(time.UnixMilli(ms), time.Millisecond, sent, time.Now())
	}
}

// tableOf is where the session of a key lies.
func (c *conn) tableOf(k backends.Key) table {
	if backends.OwnKey(k.Name) {
		return c.own
	}
	return c.app
}

func named(args []any) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, a := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return out
}

// exec runs statements, and gives how many rows each of them changed.
func (c *conn) exec(text string, args ...any) ([]int64, error) {
	res, err := c.drv.(driver.ExecerContext).ExecContext(context.Background(), text, named(args))
	if err != nil {
		return nil, skipped(err)
	}
	return res.(sqldriver.Result).AllRowsAffected(), nil
}

// query runs one statement and gives each row to row; the values are the
// driver's until row returns.
func (c *conn) query(row func(values []driver.Value) error, text string, args ...any) error {
	rows, err := c.drv.(driver.QueryerContext).QueryContext(context.Background(), text, named(args))
	if err != nil {
		return skipped(err)
	}
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return rows.Close()
		case err != nil:
			return err
		}
		if err := row(values); err != nil {
			if e := rows.Close(); e != nil {
				return e
			}
			return err
		}
	}
}

// skipped is the driver's word for a statement that it does not send: with its
// parameters it is longer than a packet.
func skipped(err error) error {
	if errors.Is(err, driver.ErrSkip) || errors.Is(err, sqldriver.ErrPktTooLarge) {
		return verdict{backends.ErrTooLarge}
	}
	return err
}

// statements runs several, divided by "; ", which stands in none of them: in one
// packet, but one by one on Galera. There, where another node's change aborts a
// transaction between two statements of one packet, the rest is run after the
// rollback, and the packet succeeds (seen with MariaDB 10.11.19).
func (c *conn) statements(text string, args ...any) (n []int64, err error) {
	if c.server.galera == "" {
		return c.exec(text, args...)
	}
	for part := range strings.SplitSeq(text, "; ") {
		k := strings.Count(part, "?")
		m, err := c.exec(part, args[:k]...)
		if err != nil {
			return nil, err
		}
		args, n = args[k:], append(n, m...)
	}
	return n, nil
}

// transact runs statements as one transaction. After an error it is rolled
// back, and surely not applied unless doubtful says so.
func (c *conn) transact(text string, args ...any) ([]int64, error) {
	n, err := c.statements("START TRANSACTION; "+text+"; COMMIT", args...)
	if err != nil {
		return nil, c.rollback(err)
	}
	return n[1:], nil
}

// rollback ends a transaction for the reason err, which it returns. Where it
// cannot, the server does when the connection is gone.
func (c *conn) rollback(err error) error {
	if !isReply(err) || spoils(err) || doubtful(err) {
		return err
	}
	if _, e := c.exec("ROLLBACK"); e != nil {
		return e
	}
	return err
}

// integer reads a number as the driver gives it.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), true
	case []byte:
		n, err := strconv.ParseInt(string(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// text reads a string.
func text(v any) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	}
	return ""
}
