// Package mysql keeps a migration's book in tables of MySQL or MariaDB, for
// several servers: one that dies is followed by another within its lease.
//
//	b, err := mysql.Open(ctx, mysql.Options{Hosts: []string{"10.0.0.7:3306"}, Database: "app", User: "crossfade", Migration: "sessions"})
//
// A lock is a row with an owner and an end by the database's own clock. Each
// change is one transaction that finds the owner's row standing, locks it, and
// writes: whoever was replaced writes nothing, whatever the clocks say (on
// Galera, two nodes that change one row at once are told apart when they
// commit). Tried with MariaDB 10.11, alone and as Galera.
package mysql

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/seed-41165957/crossfade/migrate/book"
)

// DDL makes the tables; a database user without CREATE needs it done.
const DDL = `CREATE TABLE IF NOT EXISTS crossfade_page (
  migration VARBINARY(32) NOT NULL, name VARBINARY(64) NOT NULL, data LONGBLOB NOT NULL, saved DATETIME(6) NOT NULL,
  PRIMARY KEY (migration, name)) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS crossfade_lock (
  migration VARBINARY(32) NOT NULL, name VARBINARY(64) NOT NULL, owner VARBINARY(32) NOT NULL, ends DATETIME(6) NOT NULL,
  PRIMARY KEY (migration, name)) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS crossfade_log (
  migration VARBINARY(32) NOT NULL, number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, line BLOB NOT NULL,
  PRIMARY KEY (number), KEY (migration, number)) ENGINE=InnoDB;
`

const (
	callMost = 10 * time.Second
	dialMost = 2 * time.Second
	tries    = 5 // of a transaction that the server took back
)

// Options of a Book. Hosts, Database, User and Migration are needed.
type Options struct {
	// Hosts are the servers of one database, host:port or unix:path: each
	// connection goes to the first that takes it.
	Hosts          []string
	Database, User string
	Password       func() (string, error) // asked for each connection; nil: none
	TLS            *tls.Config            // nil: none
	Migration      string
	// Lease is how long a lock outlives a process that is not heard of. Default
	// 5 s, at least 1 s.
	Lease time.Duration
}

// Book is a book.Book in MySQL.
type Book struct {
	db *sql.DB
	o  Options
}

var _ book.Book = (*Book)(nil)

// Open opens a book, and makes its tables where they are missing.
func Open(ctx context.Context, o Options) (*Book, error) {
	if o.Lease == 0 {
		o.Lease = 5 * time.Second
	}
	o.Lease = max(o.Lease, time.Second)
	connector, err := mysql.NewConnector(o.config())
	if err != nil {
		return nil, errors.New("book: the database's settings cannot be used: check server.mysql")
	}
	b := &Book{db: sql.OpenDB(connector), o: o}
	b.db.SetMaxOpenConns(8)
	b.db.SetMaxIdleConns(4)
	b.db.SetConnMaxIdleTime(time.Minute)
	if err := b.tables(ctx); err != nil {
		b.db.Close()
		return nil, err
	}
	return b, nil
}

func (o *Options) config() *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.DBName, c.TLS = o.User, o.Database, o.TLS
	c.Net, c.Addr = "tcp", o.Hosts[0]
	c.InterpolateParams, c.ClientFoundRows, c.RejectReadOnly = true, true, true
	c.Timeout, c.ReadTimeout, c.WriteTimeout = dialMost, callMost, callMost
	c.Logger = quiet{} // what it prints is returned as errors too
	c.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var all error
		for _, host := range o.Hosts {
			network := "tcp"
			if path, ok := strings.CutPrefix(host, "unix:"); ok {
				network, host = "unix", path
			}
			d := net.Dialer{Timeout: dialMost, KeepAlive: 15 * time.Second}
			c, err := d.DialContext(ctx, network, host)
			if err == nil {
				return c, nil
			}
			all = errors.Join(all, err)
		}
		return nil, all
	}
	c.Apply(mysql.BeforeConnect(func(_ context.Context, c *mysql.Config) (err error) {
		if o.Password != nil {
			c.Passwd, err = o.Password()
		}
		return err
	}))
	return c
}

type quiet struct{}

func (quiet) Print(...any) {}

func (b *Book) tables(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	if _, err := b.db.ExecContext(ctx, "SELECT 1 FROM crossfade_page, crossfade_lock, crossfade_log LIMIT 0"); err == nil {
		return nil
	}
	for _, ddl := range statements(DDL) {
		if _, err := b.db.ExecContext(ctx, ddl); err != nil {
			return fmt.Errorf("book: make the tables: %w: let somebody who may run: %s", err, DDL)
		}
	}
	return nil
}

// Where names the table.
func (b *Book) Where(page string) string {
	return fmt.Sprintf("page %s of %s in table crossfade_page", page, b.o.Migration)
}

// Close ends the connections.
func (b *Book) Close() error { return b.db.Close() }

// Load reads a page.
func (b *Book) Load(ctx context.Context, page string) (data []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	err = b.db.QueryRowContext(ctx, "SELECT data FROM crossfade_page WHERE migration = ? AND name = ?", b.o.Migration, page).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("book: %w: see that the database answers", err)
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// Save replaces a page while the lock stands.
func (b *Book) Save(ctx context.Context, by book.Lock, page string, data []byte) error {
	l, ok := by.(*lock)
	if !ok || l.gone() {
		return book.ErrLost
	}
	return b.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := l.stands(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "REPLACE INTO crossfade_page (migration, name, data, saved) VALUES (?, ?, ?, UTC_TIMESTAMP(6))", b.o.Migration, page, data)
		return err
	})
}

// change is one transaction. One that the server takes back for a deadlock, or
// for another node's change, is made again.
func (b *Book) change(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	var err error
	for try := range tries {
		if err = b.changeOnce(ctx, fn); !again(err) {
			break
		}
		select {
		case <-time.After(10 * time.Millisecond << try):
		case <-ctx.Done():
			return fmt.Errorf("book: %w: see that the database answers", context.Cause(ctx))
		}
	}
	if err != nil && !errors.Is(err, book.ErrLost) {
		return fmt.Errorf("book: %w: see that the database answers", err)
	}
	return err
}

func (b *Book) changeOnce(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(ctx, tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// again tells whether a transaction was taken back as if it had never been
// (1213: deadlock, or a certification of Galera that failed; 1205: a row was
// locked too long; 1047: the node is not in the cluster, another connection may
// lead to one that is).
func again(err error) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && (e.Number == 1213 || e.Number == 1205 || e.Number == 1047)
}

// Append adds a line to the log. Numbers have gaps: a line is counted by its
// place.
func (b *Book) Append(ctx context.Context, line []byte) error {
	_, err := b.exec(ctx, "INSERT INTO crossfade_log (migration, line) VALUES (?, ?)", b.o.Migration, line)
	return err
}

// Lines reads the log.
func (b *Book) Lines(ctx context.Context, from, most int) (lines [][]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, callMost)
	defer cancel()
	rows, err := b.db.QueryContext(ctx, "SELECT line FROM crossfade_log WHERE migration = ? ORDER BY number LIMIT ? OFFSET ?", b.o.Migration, most, from)
	if err != nil {
		return nil, fmt.Errorf("book: %w: see that the database answers", err)
	}
	defer rows.Close()
	for rows.Next() {
		var line []byte
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, rows.Err()
}

func newOwner() string { return rand.Text() }
