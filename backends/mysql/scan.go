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
	all := func(names []string, _ string) error { return fn(names) }
	if err := s.scan(ctx, prefix, prefix, all, func(c *conn) table { return c.app }); err != nil {
		return err
	}
	return s.scanOwn(ctx, prefix, all)
}

// ScanFrom implements backends.Resumer. A place is the shortest text that lies
// between two ids, so that it tells of an id what its order needs, and never its
// last eight bytes. Our own table is gone through from the beginning.
func (s *Store) ScanFrom(ctx context.Context, place string, fn func(names []string, next string) error) (fresh bool, err error) {
	before := place
	err = s.scan(ctx, "", place, func(names []string, last string) error {
		next := between(before, last)
		if last != "" {
			before = last
		}
		return fn(names, next)
	}, func(c *conn) table { return c.app })
	if err != nil {
		return false, err
	}
	return false, s.scanOwn(ctx, "", fn)
}

// between is the shortest beginning of last that comes after before; "" where
// that tells too much of it.
func between(before, last string) string {
	n := 0
	for n < len(before) && n < len(last) && before[n] == last[n] {
		n++
	}
	if n+1 > len(last)-8 {
		return ""
	}
	return last[:n+1]
}

func (s *Store) scanOwn(ctx context.Context, prefix string, fn func([]string, string) error) error {
	for _, kind := range []string{rowSession, rowGone, rowMark, rowLock} {
		const own = "crossfade:"
		if kind != rowLock && !strings.HasPrefix(own, prefix) && !strings.HasPrefix(prefix, own) {
			continue
		}
		none := func(names []string, _ string) error { return fn(names, "") }
		if err := s.scan(ctx, prefix, prefix, none, func(c *conn) table {
			t := c.own
			t.fixed = []string{"`kind`", "'" + kind + "'"}
			return t
		}); err != nil {
			return err
		}
	}
	return nil
}

// scan lists one table. fn gets with each page its last id, "" with the last one.
func (s *Store) scan(ctx context.Context, prefix, from string, fn func(names []string, last string) error, which func(*conn) table) error {
	more := ">="
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
			if err := fn(p.names, p.last); err != nil {
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
