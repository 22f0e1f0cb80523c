package mysql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
)

// TestTables is what needs a server that stays up, which is started once.
func TestTables(t *testing.T) {
	srv := backendtest.MariaDB(t, tables(t)...)
	ctx := t.Context()
	t.Run("a column that folds case", func(t *testing.T) {
		cols := Columns{ID: "id", Data: "body", Expires: "ends", Kind: UnixMillis}
		s := opened(t, Options{Table: "folding", Columns: cols}, srv.Addr())
		for name, call := range map[string]func() error{
			"set": func() error { return s.Set(ctx, session("abc", "x")) },
			"get": func() error { _, _, err := s.Get(ctx, backends.Key{Name: "abc"}); return err },
		} {
			var ce *ColumnError
			if err := call(); !errors.As(err, &ce) || ce.Mend != "ALTER TABLE `app`.`folding` MODIFY `id` VARBINARY(128) NOT NULL;" {
				t.Fatalf("%s: got %v, want a ColumnError with its mending", name, err)
			}
		}
		mended := ""
		for _, f := range s.Preflight(ctx) {
			if f.What == "id column" && !f.OK {
				mended = f.Mend
			}
		}
		sql(t, srv, mended)
		for _, name := range []string{"abc", "ABC", "Abc"} { // the same store goes on
			if err := s.Set(ctx, session(name, name)); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"abc", "ABC", "Abc"} {
			if got, found, err := s.Get(ctx, backends.Key{Name: name}); err != nil || !found || string(got.Data) != name {
				t.Errorf("%s: got %q, %v, %v", name, got.Data, found, err)
			}
		}
	})
	t.Run("no room for an agent's connections", func(t *testing.T) {
		room := func() (f Finding) {
			for _, f = range opened(t, Options{}, srv.Addr()).Preflight(ctx) {
				if f.What == "max_connections" {
					return f
				}
			}
			t.Fatal("it was not looked at")
			return f
		}
		if f := room(); !f.OK {
			t.Errorf("600 are allowed: %+v", f)
		}
		sql(t, srv, "SET GLOBAL max_connections = 40")
		f := room()
		if f.OK || !strings.Contains(f.Found, "40, ") {
			t.Fatalf("40 are allowed, an agent opens 49: %+v", f)
		}
		mend, _, _ := strings.Cut(f.Mend, ";")
		sql(t, srv, mend)
		if f := room(); !f.OK {
			t.Errorf("mended as it says: %+v", f)
		}
	})
	t.Run("an id that is not unique", func(t *testing.T) {
		sql(t, srv, "CREATE TABLE app.loose (id VARBINARY(128) NOT NULL, data BLOB, flags INT UNSIGNED, expires_ms BIGINT, KEY (id))")
		s := opened(t, Options{Table: "loose"}, srv.Addr())
		if err := s.Set(ctx, session("a", "x")); err == nil || !strings.Contains(err.Error(), "ADD PRIMARY KEY (`id`)") {
			t.Errorf("got %v, want its mending", err)
		}
	})
	t.Run("rows of the application without a deadline", func(t *testing.T) {
		sql(t, srv, "INSERT INTO app.secs VALUES ('null', 'x', NULL), ('zero', 'x', 0), ('past', 'x', 1)")
		s := opened(t, Options{Table: "secs", Columns: Columns{ID: "id", Data: "body", Expires: "ends", Kind: UnixSeconds}}, srv.Addr())
		for name, want := range map[string]bool{"null": true, "zero": true, "past": false} {
			rec, err := s.Read(ctx, backends.Key{Name: name})
			if err != nil || rec.Found != want || !rec.Deadline.IsZero() {
				t.Errorf("%s: got found %v, deadline %v, %v", name, rec.Found, rec.Deadline, err)
			}
		}
	})
	t.Run("read-only", func(t *testing.T) {
		full := opened(t, Options{}, srv.Addr())
		if err := full.Set(ctx, session("ro", "x")); err != nil {
			t.Fatal(err)
		}
		sql(t, srv, "CREATE USER 'reader'@'%' IDENTIFIED BY 'pw'")
		s := opened(t, Options{ReadOnly: true, User: "reader", Password: "pw"}, srv.Addr())
		for _, g := range s.Grants("'reader'@'%'") {
			sql(t, srv, g)
		}
		k := backends.Key{Name: "ro"}
		_, errDelete := s.Delete(ctx, k)
		_, errTouch := s.Touch(ctx, k, time.Now())
		_, errAdd := s.Add(ctx, session("ro2", "x"))
		_, errBury := s.Bury(ctx, k, time.Minute)
		for _, err := range []error{s.Set(ctx, session("ro", "y")), errDelete, errTouch, errAdd, errBury, s.Revive(ctx, session("ro", "y"))} {
			if !errors.Is(err, ErrReadOnly) {
				t.Errorf("got %v, want ErrReadOnly", err)
			}
		}
		if got, found, err := s.Get(ctx, k); err != nil || !found || string(got.Data) != "x" {
			t.Errorf("got %q, %v, %v", got.Data, found, err)
		}
		// What is Crossfade's own is kept all the same.
		if ok, err := s.Lock(ctx, k, "v", time.Minute); err != nil || !ok {
			t.Errorf("lock: %v, %v", ok, err)
		}
		if err := s.Set(ctx, session("crossfade:test:epoch", "1")); err != nil {
			t.Errorf("a key of our own: %v", err)
		}
		for _, f := range s.Preflight(ctx) {
			if !f.OK {
				t.Errorf("with the grants for reading: %+v", f)
			}
		}
		// The same user, meant to write.
		missing := 0
		for _, f := range opened(t, Options{User: "reader", Password: "pw"}, srv.Addr()).Preflight(ctx) {
			if !f.OK && strings.Contains(f.Mend, "GRANT SELECT, INSERT, UPDATE, DELETE ON `app`.`sessions`") {
				missing++
			}
		}
		if missing != 3 {
			t.Errorf("%d missing privileges were found, want 3", missing)
		}
	})
	t.Run("nothing secret in errors", func(t *testing.T) {
		s := opened(t, Options{User: "nobody", Password: "pw-secret"}, srv.Addr())
		_, _, err := s.Get(ctx, backends.Key{Name: "id-secret"})
		bad := opened(t, Options{Table: "missing"}, srv.Addr())
		errs := []error{err, bad.Set(ctx, session("id-secret", "data-secret"))}
		for _, err := range errs {
			if text := fmt.Sprintf("%v %+v %#v", err, err, s.opts.Password); err == nil || strings.Contains(text, "secret\"") || strings.Contains(text, "-secret") {
				t.Errorf("got %s", text)
			}
		}
		if !strings.Contains(errs[1].Error(), "1146") {
			t.Errorf("got %v, want the number of the missing table", errs[1])
		}
	})
	t.Run("the sweep takes what has ended", func(t *testing.T) {
		s := opened(t, Options{}, srv.Addr())
		sql(t, srv, "INSERT INTO app.crossfade SELECT 'g', CONCAT('old', seq), '', '', 0, 1 FROM seq_1_to_700")
		if _, err := s.Bury(ctx, backends.Key{Name: "young"}, time.Minute); err != nil {
			t.Fatal(err)
		}
		first, second := s.sweepNow(), s.sweepNow()
		if first != sweepRows || second < 200 {
			t.Errorf("swept %d and %d rows, want %d at a time", first, second, sweepRows)
		}
		if rec, err := s.Read(ctx, backends.Key{Name: "young"}); err != nil || !rec.Gone {
			t.Errorf("a tombstone that lives was swept: %v, %v", rec.Gone, err)
		}
	})
	t.Run("the next host", func(t *testing.T) {
		s := opened(t, Options{}, "127.0.0.1:1", "unix:"+srv.MariaDBSocket())
		if err := s.Set(ctx, session("next", "x")); err != nil {
			t.Fatal(err)
		}
		if s.active.Load() != 1 {
			t.Error("the host that answers is not kept")
		}
	})
	t.Run("symfony", func(t *testing.T) {
		symfony(t, opened(t, Options{Table: "symfony", Columns: Symfony()}, srv.Addr()), srv.MariaDBSocket())
	})
}

// symfony is Symfony's own handler on the same rows.
func symfony(t *testing.T, s *Store, socket string) {
	const autoload = "/usr/share/php/Symfony/Component/HttpFoundation/autoload.php"
	if _, err := os.Stat(autoload); err != nil {
		t.Fatalf("Symfony is missing: apt-get install php-symfony-http-foundation php-cli php-mysql")
	}
	script := filepath.Join(t.TempDir(), "s.php")
	code := `<?php require '` + autoload + `';
ini_set('session.gc_maxlifetime', '1800'); ini_set('session.use_strict_mode', '1');
$h = new Symfony\Component\HttpFoundation\Session\Storage\Handler\PdoSessionHandler('mysql:unix_socket=` + socket + `;dbname=app', ['db_username' => 'root', 'db_table' => 'symfony']);
$h->open('', 'PHPSESSID'); $was = $h->read($argv[1]);
if ($argv[2] !== '') $h->write($argv[1], $argv[2]);
$h->close(); echo $was;`
	if err := os.WriteFile(script, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	php := func(id, write string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "php", script, id, write).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	ctx := context.Background()
	k := backends.Key{Name: "4c9s0ABCabc"}
	php(k.Name, "_sf2|s:1:\"x\";")
	rec, err := s.Read(ctx, k)
	if err != nil || !rec.Found || string(rec.Data) != "_sf2|s:1:\"x\";" {
		t.Fatalf("what Symfony wrote: got %q, %v, %v", rec.Data, rec.Found, err)
	}
	if left := time.Until(rec.Deadline); left < 29*time.Minute || left > 31*time.Minute {
		t.Errorf("what Symfony wrote lives for %v, want 30m", left)
	}
	if err := s.Set(ctx, session(k.Name, "ours")); err != nil {
		t.Fatal(err)
	}
	if got := php(k.Name, ""); got != "ours" {
		t.Errorf("Symfony reads %q, want what the store wrote", got)
	}
	never := session("never", "for ever")
	never.Deadline = time.Time{}
	if err := s.Set(ctx, never); err != nil {
		t.Fatal(err)
	}
	if got := php("never", ""); got != "for ever" {
		t.Errorf("Symfony reads %q of a session without a deadline", got)
	}
	if err := s.Set(ctx, backends.Session{Key: k, Deadline: time.Now().Add(-time.Second)}); err != nil {
		t.Fatal(err)
	}
	if got := php(k.Name, ""); got != "" {
		t.Errorf("Symfony reads %q of a session that is over", got)
	}
}

// TestHealthGivenUp: what a caller that stops waiting reads of its connection,
// the connection's goroutine does not write meanwhile.
func TestHealthGivenUp(t *testing.T) {
	srv := backendtest.MariaDB(t, tables(t)...)
	s := opened(t, Options{}, srv.Addr())
	late := 0
	for i := range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%30)*100*time.Microsecond)
		if _, err := s.Health(ctx); errors.Is(err, context.DeadlineExceeded) {
			late++
		}
		cancel()
	}
	if late == 0 {
		t.Error("no call was given up")
	}
	err := backends.ErrBusy // until the connections that were given up have ended
	for end := time.Now().Add(time.Minute); errors.Is(err, backends.ErrBusy) && time.Now().Before(end); {
		_, err = s.Health(t.Context())
	}
	if err != nil {
		t.Error(err)
	}
}
