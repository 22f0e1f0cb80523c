package book_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/files"
	"github.com/seed-41165957/crossfade/migrate/book/mysql"
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

func open(t *testing.T, migration string, hosts ...string) *mysql.Book {
	t.Helper()
	b, err := mysql.Open(t.Context(), mysql.Options{Hosts: hosts, Database: "app", User: "app", Migration: migration,
		Password: func() (string, error) { return "x", nil }, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestBooks: what every book promises, on files and on a real MariaDB, seen
// from two processes (two Books over the same pages).
func TestBooks(t *testing.T) {
	db := database(t)
	n := 0
	for _, kind := range []struct {
		name string
		two  func(t *testing.T) (a, b book.Book)
	}{
		{"files", func(t *testing.T) (a, b book.Book) {
			path := filepath.Join(t.TempDir(), "flags.json")
			return files.New(path), files.New(path)
		}},
		{"mysql", func(t *testing.T) (a, b book.Book) {
			n++
			m := fmt.Sprintf("m%d", n)
			return open(t, m, "127.0.0.1:1", db.Addr()), open(t, m, db.Addr()) // the first host of a is dead
		}},
	} {
		for name, test := range map[string]func(*testing.T, book.Book, book.Book){
			"pages": pages, "locks": locks, "one holder": oneHolder, "log": log,
		} {
			t.Run(kind.name+"/"+name, func(t *testing.T) {
				a, b := kind.two(t)
				test(t, a, b)
			})
		}
	}
}

func pages(t *testing.T, a, b book.Book) {
	ctx := t.Context()
	if data, err := a.Load(ctx, book.Record); data != nil || err != nil {
		t.Fatalf("a page that is not there: got %q, %v", data, err)
	}
	l := take(t, a, book.Publish)
	for _, want := range [][]byte{[]byte("{}"), {}, bytes.Repeat([]byte("x\x00é"), 300_000)} {
		if err := a.Save(ctx, l, book.Record, want); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Load(ctx, book.Record); err != nil || got == nil || !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes (nil: %v), %v, want %d", len(got), got == nil, err, len(want))
		}
	}
	if data, err := b.Load(ctx, book.Flags); data != nil || err != nil {
		t.Errorf("another page: got %q, %v", data, err)
	}
	l.Release()
	if err := a.Save(ctx, l, book.Record, []byte("late")); !errors.Is(err, book.ErrLost) {
		t.Errorf("a save under a lock that was given back: got %v, want ErrLost", err)
	}
	if got, _ := b.Load(ctx, book.Record); len(got) < 10 {
		t.Errorf("it was written: %q", got)
	}
}

func locks(t *testing.T, a, b book.Book) {
	ctx := t.Context()
	l := take(t, a, book.Publish)
	if l2, err := b.TryLock(ctx, book.Publish); l2 != nil || err != nil {
		t.Fatalf("a lock that is held: got %v, %v", l2, err)
	}
	take(t, b, book.Copy).Release()
	l.Release()
	l.Release()
	take(t, b, book.Publish).Release()
}

// oneHolder: a counter on a page that many raise under the lock loses nothing.
func oneHolder(t *testing.T, a, b book.Book) {
	ctx := t.Context()
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 4 {
		wg.Go(func() {
			bk := []book.Book{a, b}[i%2]
			for done.Load() < 40 {
				l, err := bk.TryLock(ctx, book.Publish)
				if err != nil {
					t.Error(err)
					return
				}
				if l == nil {
					time.Sleep(time.Millisecond)
					continue
				}
				data, err := bk.Load(ctx, book.Goal)
				if err == nil {
					err = bk.Save(ctx, l, book.Goal, append(data, '+'))
				}
				l.Release()
				if err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if data, _ := a.Load(ctx, book.Goal); int64(len(data)) != done.Load() {
		t.Errorf("got %d, want %d", len(data), done.Load())
	}
}

func log(t *testing.T, a, b book.Book) {
	ctx := t.Context()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := []book.Book{a, b}[i%2].Append(ctx, fmt.Appendf(nil, "line %d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := b.Lines(ctx, 0, 100)
	if err != nil || len(all) != 20 {
		t.Fatalf("got %d lines, %v, want 20", len(all), err)
	}
	some, err := a.Lines(ctx, 5, 3)
	if err != nil || len(some) != 3 || !bytes.Equal(some[0], all[5]) {
		t.Errorf("from 5, 3 lines: got %q, %v", some, err)
	}
}

func take(t *testing.T, b book.Book, name string) book.Lock {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
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
