package mysql

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Read looks at the session and its tombstone at one moment.
func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	recs, err := s.readMany(ctx, "read", []backends.Key{k})
	if err != nil {
		return backends.Record{}, err
	}
	return recs[0], nil
}

// ReadMany looks at all keys at one moment, in one statement.
func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	return s.readMany(ctx, "read many", ks)
}

func (s *Store) readMany(ctx context.Context, op string, ks []backends.Key) ([]backends.Record, error) {
	if err := s.enter(ctx, ks...); err != nil || len(ks) == 0 {
		return nil, err
	}
	got := make(chan []backends.Record, attempts)
	err := s.read(ctx, op, func(c *conn) error {
		recs, _, err := s.records(c, ks)
		if err == nil {
			got <- recs
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-got, nil
}

// group is the keys that lie in one table.
type group struct {
	t    table
	args []any
}

func (c *conn) groups(ks []backends.Key) ([]group, error) {
	var gs []group
	for _, own := range []bool{false, true} {
		g := group{t: c.app}
		if own {
			g.t = c.own
		}
		for _, k := range ks {
			if backends.OwnKey(k.Name) != own {
				continue
			}
			key, err := g.t.key(k)
			if err != nil {
				return nil, err
			}
			g.args = append(g.args, key)
		}
		if len(g.args) > 0 {
			gs = append(gs, g)
		}
	}
	return gs, nil
}

func (s *Store) goneArgs(ks []backends.Key) []any {
	args := make([]any, len(ks))
	for i, k := range ks {
		args[i] = []byte(s.gone(k))
	}
	return args
}

// ofGone is the condition for n tombstones' rows, live or not.
func ofGone(n int) string {
	return "`kind` = '" + rowGone + "' AND `member` = '' AND `name`" + in(n)
}

// records looks at sessions, tombstones and the clock in one statement. buried is set
// where a tombstone stands, also beside a session.
func (s *Store) records(c *conn, ks []backends.Key) (recs []backends.Record, buried []bool, err error) {
	gs, err := c.groups(ks)
	if err != nil {
		return nil, nil, err
	}
	stmt, args := "", []any{}
	for _, g := range gs {
		stmt += "SELECT 's', " + g.t.id + ", " + g.t.data + ", " + g.t.flagsOrZero() + ", " + g.t.expiry.ends() + " FROM " + g.t.name +
			" WHERE " + g.t.where(len(g.args)) + " AND " + g.t.expiry.live() + " UNION ALL "
		args = append(args, g.args...)
	}
	stmt += "SELECT 'n', '', '', 0, " + nowMs + " UNION ALL SELECT 'g', `name`, '', 0, 0 FROM " + c.own.name + " WHERE " + ofGone(len(ks)) + " AND `expires_ms` > " + nowMs
	args = append(args, s.goneArgs(ks)...)
	recs, buried = make([]backends.Record, len(ks)), make([]bool, len(ks))
	at, graves := make(map[string]int, len(ks)), make(map[string]int, len(ks))
	for i, k := range ks {
		recs[i].Key = k
		at[k.Name], graves[s.gone(k)] = i, i
	}
	sent := time.Now()
	err = c.query(func(v []driver.Value) error {
		switch text(v[0]) {
		case "n":
			c.noted(v[4], sent)
			return nil
		case "g":
			if i, ok := graves[text(v[1])]; ok {
				buried[i] = true
			}
			return nil
		}
		i, ok := at[text(v[1])]
		if !ok {
			return nil
		}
		r := &recs[i]
		r.Found, r.Data = true, append([]byte{}, v[2].([]byte)...)
		flags, _ := integer(v[3])
		r.Flags = uint32(flags)
		c.deadline(&r.Session, v[4])
		return nil
	}, stmt, args...)
	for i := range recs {
		recs[i].Gone = buried[i] && !recs[i].Found
	}
	return recs, buried, err
}
