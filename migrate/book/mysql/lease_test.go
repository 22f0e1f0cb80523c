package mysql

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/migrate/book"
)

const lease = time.Second

func database(t *testing.T) *localserver.Server {
	t.Helper()
	s, err := localserver.MariaDB(t.Context(), localserver.Options{}, "CREATE DATABASE app", "CREATE USER app@localhost IDENTIFIED BY 'x'", "GRANT ALL ON app.* TO app@localhost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func open(t *testing.T, migration string, hosts ...string) *Book {
	t.Helper()
	b, err := Open(t.Context(), Options{Hosts: hosts, Database: "app", User: "app", Migration: migration,
		Password: func() (string, error) { return "x", nil }, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func take(t *testing.T, b book.Book, name string) book.Lock {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		l, err := b.TryLock(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if l != nil {
			return l
		}
	}
	t.Fatalf("the lock %s is not given", name)
	return nil
}

// TestLease: a holder that is not heard of loses its lock within the lease, knows
// it, and writes nothing any more, also where it does not know yet.
func TestLease(t *testing.T) {
	db := database(t)
	p := newProxy(t, db.Addr())
	a, b := open(t, "lease", p.addr), open(t, "lease", db.Addr())
	l := take(t, a, book.Lead)
	time.Sleep(2 * lease) // it is renewed
	if l2, err := b.TryLock(t.Context(), book.Lead); l2 != nil || err != nil {
		t.Fatalf("while it is held: got %v, %v", l2, err)
	}
	began := time.Now()
	p.stall(true)
	l2 := take(t, b, book.Lead)
	if took := time.Since(began); took < lease/3 || took > 4*lease+30*time.Second {
		t.Errorf("taken over after %v, want about a lease", took)
	}
	select {
	case <-l.Lost():
	case <-time.After(30 * time.Second): // its timer may be late; what it writes till then is refused, see below
		t.Error("the lock was given to another, and its holder thinks it has it")
	}
	if err := b.Save(t.Context(), l2, book.Flags, []byte("second")); err != nil {
		t.Fatal(err)
	}
	p.stall(false)
	if err := a.Save(t.Context(), &lock{b: a, name: book.Lead, owner: l.(*lock).owner, lost: make(chan struct{})}, book.Flags, []byte("first")); !errors.Is(err, book.ErrLost) {
		t.Errorf("the one who was replaced: got %v, want ErrLost", err)
	}
	if got, _ := b.Load(context.Background(), book.Flags); string(got) != "second" {
		t.Errorf("got %q, want what the successor wrote", got)
	}
}
