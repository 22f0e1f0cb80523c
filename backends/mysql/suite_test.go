package mysql

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memory"
)

// opened makes a store with these options on servers of ours.
func opened(t testing.TB, o Options, addrs ...string) *Store {
	t.Helper()
	o.Hosts, o.Database, o.Migration = addrs, "app", "test"
	if o.User == "" {
		o.User = "root"
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 15 * time.Second // a busy machine
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tables are the statements that make what the tests use.
func tables(t testing.TB) []string {
	t.Helper()
	s := opened(t, Options{}, "127.0.0.1:1")
	one := func(ddl string) string { return strings.ReplaceAll(strings.TrimSuffix(ddl, ";"), "\n", " ") }
	return []string{
		"CREATE DATABASE app", one(s.DDL()), one(s.PlainDDL()),
		// As PdoSessionHandler::createTable writes it, less its comma after COLLATE.
		"CREATE TABLE app.symfony (sess_id VARBINARY(128) NOT NULL PRIMARY KEY, sess_data BLOB NOT NULL, sess_lifetime INTEGER UNSIGNED NOT NULL, sess_time INTEGER UNSIGNED NOT NULL) COLLATE utf8mb4_bin, ENGINE = InnoDB",
		"CREATE TABLE app.words (id VARCHAR(250) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY, body LONGBLOB NOT NULL, ends DATETIME(3) NULL, note INT NOT NULL DEFAULT 5) ENGINE=InnoDB",
		"CREATE TABLE app.days (id VARBINARY(250) NOT NULL PRIMARY KEY, body LONGBLOB NOT NULL, ends DATETIME NULL) ENGINE=InnoDB",
		"CREATE TABLE app.secs (id VARBINARY(250) NOT NULL PRIMARY KEY, body LONGBLOB NOT NULL, ends INT UNSIGNED NULL) ENGINE=InnoDB",
		"CREATE TABLE app.folding (id VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY, body LONGBLOB NOT NULL, ends BIGINT NOT NULL) ENGINE=InnoDB",
	}
}

func words() Columns { return Columns{ID: "id", Data: "body", Expires: "ends", Kind: DateTimeMs} }

func TestSuite(t *testing.T) {
	srv := backendtest.MariaDB(t, tables(t)...)
	backendtest.Run(t, func(t *testing.T) backends.Store { return opened(t, Options{}, srv.Addr()) },
		backendtest.Options{Server: srv})
}

func TestSuiteOtherTables(t *testing.T) {
	srv := backendtest.MariaDB(t, tables(t)...)
	narrow := map[string]string{"data/longest key": "sess_id is VARBINARY(128)"}
	text := map[string]string{
		"data/unusual keys": "a text column holds no bytes that are no UTF-8",
		"scan/prefix":       "a text column holds no bytes that are no UTF-8",
	}
	for _, tt := range []struct {
		name string
		o    Options
		bt   backendtest.Options
	}{
		{"symfony", Options{Table: "symfony", Columns: Symfony()},
			backendtest.Options{Exactness: time.Second, MaxData: 65535, Deviations: narrow}},
		{"utf8mb4_bin and DATETIME(3)", Options{Table: "words", Columns: words()}, backendtest.Options{Deviations: text}},
		{"DATETIME in a zone", Options{Table: "days", Columns: Columns{ID: "id", Data: "body", Expires: "ends", Kind: DateTime, TimeZone: "+05:30"}},
			backendtest.Options{Exactness: time.Second}},
		{"unix seconds", Options{Table: "secs", Columns: Columns{ID: "id", Data: "body", Expires: "ends", Kind: UnixSeconds}},
			backendtest.Options{Exactness: time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, func(t *testing.T) backends.Store { return opened(t, tt.o, srv.Addr()) }, tt.bt)
		})
	}
}

// TestGuardsWithLocks is a guard as on a server that has no
// innodb_snapshot_isolation: it keeps writers out for GuardHold at most. (Its
// locks on gaps make unrelated guards conflict, so the suite, which makes many
// at once, is not for it.)
func TestGuardsWithLocks(t *testing.T) {
	srv := backendtest.MariaDB(t, tables(t)...)
	const hold = 200 * time.Millisecond
	s := opened(t, Options{lockGuards: true, GuardHold: hold}, srv.Addr())
	lasting := opened(t, Options{lockGuards: true, GuardHold: time.Minute}, srv.Addr()) // for a swap in time
	ctx := t.Context()
	for _, name := range []string{"absent", "present"} {
		k := backends.Key{Name: name}
		if name == "present" {
			if err := s.Set(ctx, session(name, "before")); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		late, err := s.Guard(ctx, k, begin.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Set(ctx, session(name, "writer")); err != nil { // waits
			t.Fatal(err)
		}
		if took := time.Since(begin); took < hold || took > hold+20*time.Second {
			t.Errorf("%s: a writer waited %v, want the %v of GuardHold", name, took, hold)
		}
		if err := late.Swap(ctx, session(name, "copy")); !errors.Is(err, backends.ErrConflict) {
			t.Errorf("%s: a guard that was held too long: got %v, want ErrConflict", name, err)
		}
		late.Release()
		quick, err := lasting.Guard(ctx, k, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := quick.Swap(ctx, session(name, "copy")); err != nil {
			t.Errorf("%s: swap: %v", name, err)
		}
		if got, _, err := s.Get(ctx, k); err != nil || string(got.Data) != "copy" {
			t.Errorf("%s: got %q, %v", name, got.Data, err)
		}
		stored, u, err := s.AddUndo(ctx, session("added"+name, "x"))
		if err != nil || !stored {
			t.Fatal(stored, err)
		}
		if err := s.Set(ctx, session("added"+name, "x")); err != nil {
			t.Fatal(err)
		}
		if err := u.Undo(ctx); !errors.Is(err, backends.ErrConflict) {
			t.Errorf("undo of what was written since: got %v, want ErrConflict", err)
		}
		u.Release()
	}
}

func TestLikeMemory(t *testing.T) {
	srv := backendtest.MariaDB(t, tables(t)...)
	backendtest.Compare(t, opened(t, Options{}, srv.Addr()), memory.New(memory.Options{}), 1000)
}

// sql runs a statement as root, on a connection of its own.
func sql(t testing.TB, srv *localserver.Server, text string, args ...any) {
	t.Helper()
	s := opened(t, Options{}, "unix:"+srv.MariaDBSocket())
	if err := s.run(t.Context(), forControl, "test", false, func(c *conn) error {
		_, err := c.exec(text, args...)
		return err
	}); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", text, err))
	}
}
