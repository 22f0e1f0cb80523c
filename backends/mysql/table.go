package mysql

import (
	"strings"
	"unicode/utf8"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/clock"
)

// table is the SQL about one table with sessions in it: the application's, or
// our own rows of kind 's'.
type table struct {
	name   string // quoted, with its database
	id     string // all quoted; flags may be empty
	data   string
	flags  string
	expiry expiry
	fixed  []string // column, value, … of our own rows: what else makes up the key
	text   bool     // id is a character column, not a binary one
	maxID  int      // bytes, or characters; 0: not known
	unique string   // quoted: the index of the ids; empty: not known
	clock  *clock.Clock
}

// The kinds of rows in our own table.
const (
	rowSession = "s"
	rowGone    = "g"
	rowMark    = "m"
	rowLock    = "l"
)

func (s *Store) appTable() table {
	c := s.opts.Columns
	t := table{name: q(s.opts.Database) + "." + q(s.opts.Table), id: q(c.ID), data: q(c.Data),
		expiry: expiry{kind: c.Kind, col: q(c.Expires)}}
	if c.Time != "" {
		t.expiry.time = q(c.Time)
	}
	if c.Flags != "" {
		t.flags = q(c.Flags)
	}
	return t
}

// ownTable is our own table as a table of sessions.
func (s *Store) ownTable() table {
	return table{name: s.own(), id: "`name`", data: "`data`", flags: "`flags`",
		unique: "`PRIMARY`", expiry: expiry{kind: UnixMillis, col: "`expires_ms`"}, fixed: []string{"`kind`", "'" + rowSession + "'", "`member`", "''"}}
}

func (s *Store) own() string { return q(s.opts.Database) + "." + q(s.opts.OwnTable) }

// key makes the parameter for a name: text for a character column, so that its
// index serves, bytes otherwise.
func (t table) key(k backends.Key) (any, error) {
	switch {
	case t.text && (!utf8.ValidString(k.Name) || t.maxID > 0 && utf8.RuneCountInString(k.Name) > t.maxID),
		!t.text && t.maxID > 0 && len(k.Name) > t.maxID:
		return nil, verdict{backends.ErrKey}
	case t.text:
		return k.Name, nil
	}
	return []byte(k.Name), nil
}

// where is the condition for n ids.
func (t table) where(n int) string {
	return t.conditions() + t.id + in(n)
}

// byIndex makes a locking statement find its rows by their ids: from a small
// table the server would read all, and meet rows that it was not asked for.
func (t table) byIndex() string {
	if t.unique == "" {
		return ""
	}
	return " FORCE INDEX (" + t.unique + ")"
}

// conditions is what every condition begins with.
func (t table) conditions() string {
	var b strings.Builder
	for i := 0; i < len(t.fixed); i += 2 {
		b.WriteString(t.fixed[i] + " = " + t.fixed[i+1] + " AND ")
	}
	return b.String()
}

func in(n int) string {
	if n == 1 {
		return " = ?"
	}
	return " IN (?" + strings.Repeat(", ?", n-1) + ")"
}

func (t table) flagsOrZero() string {
	if t.flags == "" {
		return "0"
	}
	return t.flags
}

// insert makes the statement that inserts rows, one for each session, and its
// parameters.
func (t table) insert(ss []backends.Session) (string, []any, error) {
	var b strings.Builder
	b.WriteString("INSERT INTO " + t.name + " (")
	for i := 0; i < len(t.fixed); i += 2 {
		b.WriteString(t.fixed[i] + ", ")
	}
	b.WriteString(t.id + ", " + t.data)
	if t.flags != "" {
		b.WriteString(", " + t.flags)
	}
	if t.expiry.time != "" {
		b.WriteString(", " + t.expiry.time)
	}
	b.WriteString(", " + t.expiry.col + ") VALUES ")
	var args []any
	for i, sess := range ss {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(")
		for j := 1; j < len(t.fixed); j += 2 {
			b.WriteString(t.fixed[j] + ", ")
		}
		key, err := t.key(sess.Key)
		if err != nil {
			return "", nil, err
		}
		b.WriteString("?, ?")
		args = append(args, key, nonNil(sess.Data))
		if t.flags != "" {
			b.WriteString(", ?")
			args = append(args, int64(sess.Flags))
		}
		if t.expiry.time != "" {
			b.WriteString(", " + nowSeconds)
		}
		b.WriteString(", " + t.value(sess.Deadline) + ")")
	}
	return b.String(), args, nil
}

const nowSeconds = nowMs + " DIV 1000"

// upsert is insert, or else the row is written whatever it was.
func (t table) upsert(ss []backends.Session) (string, []any, error) {
	text, args, err := t.insert(ss)
	if err != nil {
		return "", nil, err
	}
	text += " ON DUPLICATE KEY UPDATE " + t.data + " = VALUES(" + t.data + "), "
	if t.flags != "" {
		text += t.flags + " = VALUES(" + t.flags + "), "
	}
	return text + t.expiry.stamp("VALUES("+t.expiry.col+")", "VALUES("+t.expiry.time+")"), args, nil
}

// nonNil keeps empty data from becoming NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
