package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	// scanPage is how many rows one statement looks at: 1,000 ids take about a
	// millisecond.
	scanPage = 1000
	// scanTime bounds one page, where the context has no nearer deadline.
	scanTime = 10 * time.Second
)

// Scan goes through the table in the order of ids, a page at a time, by the
// primary key; then through our own, whose marks come once for each entry.
func (s *Store) Scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	if err := s.scan(ctx, prefix, fn, func(c *conn) table { return c.app }); err != nil {
		return err
	}
	for _, kind := range []string{rowSession, rowGone, rowMark, rowLock} {
		const own = "crossfade:"
		if kind != rowLock && !strings.HasPrefix(own, prefix) && !strings.HasPrefix(prefix, own) {
			continue
		}
		if err := s.scan(ctx, prefix, fn, func(c *conn) table {
			t := c.own
			t.fixed = []string{"`kind`", "'" + kind + "'"}
			return t
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) scan(ctx context.Context, prefix string, fn func(names []string) error, which func(*conn) table) error {
	from, more := prefix, ">="
	for {
		if err := s.enter(ctx); err != nil {
			return err
		}
		got := make(chan page, attempts)
		pctx, cancel := context.WithTimeout(ctx, scanTime)
		err := s.run(pctx, forReads, "scan", true, func(c *conn) error {
			p, err := c.page(which(c), from, more, prefix)
			if err == nil {
				got <- p
			}
			return err
		})
		cancel()
		switch {
		case errors.Is(err, backends.ErrKey):
			return nil // a prefix that no id can have
		case err != nil:
			return err
		}
		p := <-got
		if len(p.names) > 0 {
			if err := fn(p.names); err != nil {
				return err
			}
		}
		if p.last == "" {
			return nil
		}
		from, more = p.last, ">"
	}
}

// page is what one statement lists.
type page struct {
	names []string
	last  string // where to go on; empty: this was the last page
}

func (c *conn) page(t table, from, more, prefix string) (p page, err error) {
	t.maxID = 0 // a place in the order may be longer than an id
	start, err := t.key(backends.Key{Name: from})
	if err != nil {
		return p, err
	}
	rows, past := 0, false
	err = c.query(func(v []driver.Value) error {
		rows++
		p.last = text(v[0])
		// The order of bytes is that of the column, so what has the prefix
		// stands together.
		if !strings.HasPrefix(p.last, prefix) {
			past = true
		} else if live, _ := integer(v[1]); live != 0 {
			p.names = append(p.names, p.last)
		}
		return nil
	}, fmt.Sprintf("SELECT %[1]s, %[2]s FROM %[3]s WHERE %[4]s%[1]s %[5]s ? ORDER BY %[1]s LIMIT %[6]d",
		t.id, t.expiry.live(), t.name, t.conditions(), more, scanPage), start)
	if rows < scanPage || past {
		p.last = ""
	}
	return p, err
}
