package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Finding is one thing that Preflight looked at.
type Finding struct {
	Host  string // as in Options.Hosts; the first for what all share
	What  string // "own table", "privileges", "max_allowed_packet" …
	OK    bool
	Found string
	Mend  string // what mends it; empty where nothing has to
}

// Preflight looks at each host: whether it answers and can serve, its version,
// tables, the id column, privileges, sizes. It changes nothing; what is missing
// comes with the statement that mends it. The error is nil: what cannot be asked
// is a finding.
func (s *Store) Preflight(ctx context.Context) []Finding {
	var fs []Finding
	for i, h := range s.hosts {
		hctx, cancel := context.WithTimeout(ctx, 4*s.opts.DialTimeout+time.Second)
		fs = append(fs, h.preflight(hctx, s.opts.Hosts[i])...)
		cancel()
	}
	return fs
}

func (h *host) preflight(ctx context.Context, addr string) (fs []Finding) {
	s := h.store
	add := func(what string, ok bool, found, mend string) {
		if ok {
			mend = ""
		}
		fs = append(fs, Finding{addr, what, ok, found, mend})
	}
	l, err := h.pools[forControl].take(ctx)
	if err != nil {
		add("connection", false, s.reply("check", err).Error(), "start the server, or correct hosts, user, password_file and tls")
		return fs
	}
	got := make(chan []Finding, 1)
	usable, err := l.do(ctx, "check", true, func(c *conn) error {
		c.examine(s, add)
		got <- fs
		return nil
	})
	if usable {
		l.pool.put(l)
	}
	if err != nil {
		return []Finding{{addr, "connection", false, s.reply("check", err).Error(), "see why the server is slow"}}
	}
	return <-got
}

func (c *conn) examine(s *Store, add func(what string, ok bool, found, mend string)) {
	o := s.opts
	add("server", true, c.server.version, "")
	add("guards", c.server.guards || !c.server.mariadb, map[bool]string{true: "innodb_snapshot_isolation", false: "row locks, up to guard_hold each"}[c.server.guards],
		"use MariaDB 10.6.18, 10.11.8, 11.0.6 or later: copies into this table lock rows that the application writes")
	if c.server.galera != "" {
		add("galera", true, "synced, "+c.server.galera, "")
	}
	const need = 4 << 20 // 1 MiB of data, each byte escaped, and room
	add("max_allowed_packet", c.server.packet >= need, fmt.Sprint(c.server.packet), fmt.Sprintf("SET GLOBAL max_allowed_packet = %d;", 16<<20))
	c.room(s, add)
	if id, err := c.idColumn(o); err != nil {
		mend, found := "", s.reply("check", err).Error()
		if wrong, ok := columnError(err); ok {
			mend, found = wrong.Mend, wrong.Found
		}
		add("id column", false, found, mend)
	} else if id != nil {
		add("id column", true, fmt.Sprintf("%d bytes or characters, compared exactly", id.max), "")
	}
	cols := []string{o.Columns.ID, o.Columns.Data, o.Columns.Expires}
	for _, extra := range []string{o.Columns.Time, o.Columns.Flags} {
		if extra != "" {
			cols = append(cols, extra)
		}
	}
	c.try(s, add, "sessions table", "SELECT `"+strings.Join(cols, "`, `")+"` FROM "+s.app()+" LIMIT 0", "name table and columns as they are; a new one: "+s.PlainDDL())
	c.try(s, add, "own table", "SELECT `kind`, `name`, `member`, `data`, `flags`, `expires_ms` FROM "+s.own()+" LIMIT 0", s.DDL())
	// Changes that meet no row ask for the privileges all the same.
	grants := strings.Join(s.Grants("'"+o.User+"'@'%'"), " ")
	tables := []table{c.own}
	if !o.ReadOnly {
		tables = append(tables, c.app)
	}
	for _, t := range tables {
		stmts := []string{"DELETE FROM " + t.name + " WHERE 1 = 0", "UPDATE " + t.name + " SET " + t.id + " = " + t.id + " WHERE 1 = 0",
			"INSERT INTO " + t.name + " SELECT * FROM " + t.name + " WHERE 1 = 0"}
		for _, stmt := range stmts {
			verb, _, _ := strings.Cut(stmt, " ")
			c.try(s, add, "privilege "+verb+" on "+t.name, stmt, grants)
		}
	}
	c.integers(s, add)
}

// room looks whether the server takes the connections of one agent more. While it
// is slow, or calls have no answer, an agent opens all that it may: a fleet that
// finds no room then has no old.
func (c *conn) room(s *Store, add func(what string, ok bool, found, mend string)) {
	ask := func(stmt string) (n int, err error) {
		err = c.query(func(v []driver.Value) (err error) {
			n, err = strconv.Atoi(text(v[1]))
			return err
		}, stmt)
		return n, err
	}
	most, err := ask("SHOW GLOBAL VARIABLES LIKE 'max_connections'")
	used, err2 := ask("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
	if err = errors.Join(err, err2); err != nil {
		add("max_connections", false, s.reply("check", err).Error(), "")
		return
	}
	each := s.opts.conns()
	add("max_connections", most-used >= each, fmt.Sprintf("%d, %d in use; each agent may open %d while the server is slow", most, used, each),
		fmt.Sprintf("SET GLOBAL max_connections = %d; (for ten agents; and in its configuration)", used+10*each))
}

// try runs a statement that changes nothing.
func (c *conn) try(s *Store, add func(string, bool, string, string), what, stmt, mend string) {
	_, err := c.exec(stmt)
	found := "as wanted"
	if err != nil {
		found = s.reply("check", err).Error()
	}
	add(what, err == nil, found, mend)
}

// integers looks whether the columns take the last second of 32 bits, which is
// what a session without a deadline has.
func (c *conn) integers(s *Store, add func(string, bool, string, string)) {
	cols := s.opts.Columns
	if cols.Kind != UnixSeconds && cols.Kind != Lifetime && cols.Kind != UnixMillis {
		return
	}
	err := c.query(func(v []driver.Value) error {
		is := strings.ToLower(text(v[0]))
		ok := strings.HasPrefix(is, "bigint") || cols.Kind != UnixMillis && strings.HasPrefix(is, "int") && strings.Contains(is, "unsigned")
		want := "INT UNSIGNED"
		if cols.Kind == UnixMillis {
			want = "BIGINT"
		}
		add("deadline column", ok, is, fmt.Sprintf("ALTER TABLE %s MODIFY %s %s NOT NULL;", s.app(), q(cols.Expires), want))
		return nil
	}, "SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND COLUMN_NAME = ?", s.opts.Database, s.opts.Table, cols.Expires)
	if err != nil {
		add("deadline column", false, s.reply("check", err).Error(), "")
	}
}
