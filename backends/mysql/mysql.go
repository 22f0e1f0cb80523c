// Package mysql is the session store on a table of MariaDB or MySQL, alone or
// as a Galera cluster (tried with MariaDB 10.11 and galera-4 26.4).
//
//	s, err := mysql.New(mysql.Options{
//		Hosts: []string{"10.0.0.1:3306", "10.0.0.2:3306"}, Database: "app", User: "app", Password: "…",
//		Table: "sessions", Columns: mysql.Symfony(), Migration: "sessions",
//	})
//	defer s.Close()
//	err = s.Set(ctx, backends.Session{Key: backends.Key{Name: "4c9s…"}, Data: data, Deadline: in30min})
//
// It promises every ability of package backends. Sessions lie in the
// application's table, one row each, in columns that Columns names; a key's name
// is the row's id, byte for byte. All that is Crossfade's own (tombstones, marks,
// locks, keys for which backends.OwnKey is true) lies in a second table, whose
// text DDL gives. Nothing makes or alters a table.
//
// A change is sent once, unless it was surely not applied: refused by a server
// that is not ready or read-only, or rolled back in a deadlock or a certification
// conflict. At its deadline the caller leaves and the connection stays, parked,
// until the late answer was read; Settle ends the doubt earlier by KILL
// CONNECTION. Every other call closes its connection at its deadline.
//
// Deadlines are sent as a time from now and judged by the server's clock. A
// deadline in a column of whole seconds is rounded up.
//
// A guard rests on innodb_snapshot_isolation (MariaDB 10.6.18, 10.11.8, 11.0.6
// and later): it holds an open snapshot and no lock, and whatever modified a row
// since, the application too, makes the server refuse the guarded change
// (error 1020). Writing the very bytes that are there is no modification to
// InnoDB, so each write here changes the deadline by one unit, or the time
// column, where nothing else would differ; the application's own rewriting of
// equal bytes and times is not noticed, and changes nothing. Where the server
// cannot do this (MySQL), a guard locks its rows, for Options.GuardHold at most.
//
// On Galera a read may be asked of one node after a write through another: each
// statement first waits until what the cluster has acknowledged is applied
// (wsrep_sync_wait, one message through the group: 0.3 ms on one machine, a
// network round trip elsewhere), and a transaction takes a round trip for each
// statement, where a lone server gets it in one packet. Options.NoSyncWait spares it where all agents
// use one node only.
package mysql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Secret is a string that is never printed.
type Secret string

const hidden = "<secret>"

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }

// ErrReadOnly is returned by what would change the sessions table of a store
// with Options.ReadOnly. Nothing was changed.
var ErrReadOnly = errors.New("backends/mysql: the sessions table is written by the application alone (writes: app)")

// Options of a store. Hosts, Database, Migration and Columns (or the zero
// value's defaults) are needed.
type Options struct {
	// Hosts are host:port or unix:/path, the preferred one first: the nodes of
	// one Galera cluster, or names of one server. Never two servers that
	// replicate asynchronously: the second may lack acknowledged writes.
	Hosts    []string
	Database string
	User     string
	Password Secret
	TLS      *TLS // nil: none
	// Table holds the sessions; zero: "sessions". OwnTable holds what is
	// Crossfade's own; zero: "crossfade".
	Table    string
	OwnTable string
	Columns  Columns // zero: Plain()
	// Migration names the tombstones and marks: [a-z0-9-]{1,32}.
	Migration string
	// ReadOnly never writes the sessions table: ErrReadOnly.
	ReadOnly bool
	// NoSyncWait leaves out wsrep_sync_wait; see the package's comment.
	NoSyncWait bool

	// The store opens at most the sum of these connections and one more, for
	// Health and Settle, to the host in use; another host keeps only those that
	// are parked. Of changes, guards and undos, half may be parked; then new
	// calls get backends.ErrBusy.
	ReadConns   int // zero: 16
	ChangeConns int // zero: 16
	GuardConns  int // guards at once, each holds one; zero: 8
	UndoConns   int // adds that may be undone, at once; zero: 8

	// DialTimeout bounds the making of a connection, once for TCP and once for
	// the greeting. Zero: 250 ms.
	DialTimeout time.Duration
	// ReadTimeout bounds reads whose context has no deadline. Zero: 1 s.
	ReadTimeout time.Duration
	// LockWait bounds a change's wait for a row that somebody else holds, in
	// whole seconds: PHP handlers hold theirs for a whole request. Zero: 5 s.
	LockWait time.Duration
	// GuardHold bounds how long a guard may lock its rows where it has to.
	// Zero: 2 s.
	GuardHold time.Duration
	// Probe is how often a better host is looked for. Zero: 1 s.
	Probe time.Duration
	// MaxData bounds one session. Zero: backends.MaxData. A column may hold
	// less: a BLOB 65,535 bytes.
	MaxData int

	lockGuards bool // tests: as on a server without innodb_snapshot_isolation
}

func (o *Options) defaults() {
	for _, d := range []struct {
		v    *int
		zero int
	}{{&o.ReadConns, 16}, {&o.ChangeConns, 16}, {&o.GuardConns, 8}, {&o.UndoConns, 8}, {&o.MaxData, backends.MaxData}} {
		if *d.v <= 0 {
			*d.v = d.zero
		}
	}
	for _, d := range []struct {
		v    *time.Duration
		zero time.Duration
	}{{&o.DialTimeout, 250 * time.Millisecond}, {&o.ReadTimeout, time.Second}, {&o.LockWait, 5 * time.Second},
		{&o.GuardHold, 2 * time.Second}, {&o.Probe, time.Second}} {
		if *d.v <= 0 {
			*d.v = d.zero
		}
	}
	for _, d := range []struct {
		v    *string
		zero string
	}{{&o.Table, "sessions"}, {&o.OwnTable, "crossfade"}} {
		if *d.v == "" {
			*d.v = d.zero
		}
	}
	if o.Columns == (Columns{}) {
		o.Columns = Plain()
	}
}

// conns is how many connections a store may open to one host.
func (o *Options) conns() int { return o.ReadConns + o.ChangeConns + o.GuardConns + o.UndoConns + 1 }

// Store is a session store on a table.
type Store struct {
	opts  Options
	hosts []*host

	active   atomic.Int32 // index of the host in use
	looking  atomic.Bool  // for another host
	lastLook atomic.Int64 // unix ns
	lastSwep atomic.Int64 // unix ns: see sweep
	dialed   backends.Dialed

	mu     sync.Mutex
	closed bool           // guarded by mu
	work   sync.WaitGroup // of background looks and sweeps; added to under mu
	ctx    context.Context
	cancel context.CancelFunc
}

var (
	_ backends.Store        = (*Store)(nil)
	_ backends.Reader       = (*Store)(nil)
	_ backends.Toucher      = (*Store)(nil)
	_ backends.Adder        = (*Store)(nil)
	_ backends.Guarder      = (*Store)(nil)
	_ backends.BatchGuarder = (*Store)(nil)
	_ backends.Tombstoner   = (*Store)(nil)
	_ backends.Marker       = (*Store)(nil)
	_ backends.Locker       = (*Store)(nil)
	_ backends.Scanner      = (*Store)(nil)
	_ backends.BatchReader  = (*Store)(nil)
	_ backends.Healther     = (*Store)(nil)
	_ backends.FlagKeeper   = (*Store)(nil)
)

// identifier is what may stand between backquotes here: no '?', which the
// driver would take for a parameter, and no backquote.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,64}$`)

// New makes a store. Nothing is dialled before the first call.
func New(opts Options) (*Store, error) {
	opts.defaults()
	if len(opts.Hosts) == 0 {
		return nil, errors.New("backends/mysql: no hosts")
	}
	for what, name := range map[string]string{"database": opts.Database, "table": opts.Table, "own table": opts.OwnTable} {
		if !identifier.MatchString(name) {
			return nil, fmt.Errorf("backends/mysql: %s %q: accepted are 1 to 64 of A-Z, a-z, 0-9, _, $ and -", what, name)
		}
	}
	if err := opts.Columns.check(); err != nil {
		return nil, err
	}
	tlsConfig, err := opts.TLS.config()
	if err != nil {
		return nil, err
	}
	s := &Store{opts: opts}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for i, addr := range opts.Hosts {
		network := "tcp"
		if path, ok := strings.CutPrefix(addr, "unix:"); ok {
			network, addr = "unix", path
		} else if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("backends/mysql: host number %d: accepted is host:port or unix:path", i+1)
		}
		h, err := newHost(s, i, network, addr, tlsConfig)
		if err != nil {
			return nil, err
		}
		s.hosts = append(s.hosts, h)
	}
	return s, nil
}

// KeepsFlags tells whether there is a column for them.
func (s *Store) KeepsFlags() bool { return s.opts.Columns.Flags != "" }

// Close closes all connections, parked ones too: what those calls did is then
// never known here.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	s.cancel()
	for _, h := range s.hosts {
		for _, p := range h.pools {
			p.close()
		}
	}
	s.work.Wait()
	return nil
}

// background runs f unless the store is closed.
func (s *Store) background(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Go(f)
	}
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// enter is what every call begins with.
func (s *Store) enter(ctx context.Context, ks ...backends.Key) error {
	if s.isClosed() {
		return backends.ErrClosed
	}
	for i := range ks {
		if err := backends.CheckKey(ks[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// enterChange is enter for what changes the row of a session.
func (s *Store) enterChange(ctx context.Context, ks ...backends.Key) error {
	if err := s.enter(ctx, ks...); err != nil || !s.opts.ReadOnly {
		return err
	}
	for _, k := range ks {
		if !backends.OwnKey(k.Name) {
			return ErrReadOnly
		}
	}
	return nil
}

func (s *Store) enterData(ctx context.Context, sess backends.Session) error {
	if err := s.enterChange(ctx, sess.Key); err != nil {
		return err
	}
	if len(sess.Data) > s.opts.MaxData {
		return backends.ErrTooLarge
	}
	return nil
}

func (s *Store) gone(k backends.Key) string { return backends.GoneKey(s.opts.Migration, k).Name }
func (s *Store) mark(k backends.Key) string { return backends.MarkKey(s.opts.Migration, k).Name }
