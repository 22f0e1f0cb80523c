package hybrid_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/mysql"
)

// TestReap: of the rows that have ended, what memcached holds alive is written
// back, what nobody holds is deleted, and what lives stays; two do not walk at
// once, and the application's own table is not walked.
func TestReap(t *testing.T) {
	mc := backendtest.Memcached(t)
	o := mysql.Options{Database: "shop", User: "root", Migration: "test", Columns: mysql.Plain(), DialTimeout: 15 * time.Second}
	open := func(addr string, readOnly bool) (*mysql.Store, *memcached.Store, *hybrid.Store) {
		o := o
		o.Hosts, o.ReadOnly = []string{addr}, readOnly
		rows, err := mysql.New(o)
		if err != nil {
			t.Fatal(err)
		}
		cache := memcached.New(mc.Addr(), memcached.Options{Migration: "test"})
		s := hybrid.New(cache, rows, hybrid.Options{Migration: "test", Prefix: "sess:", ReadOnly: readOnly})
		t.Cleanup(func() { s.Close() })
		return rows, cache, s
	}
	ddl, _, _ := open("127.0.0.1:1", false)
	one := func(ddl string) string { return strings.ReplaceAll(strings.TrimSuffix(ddl, ";"), "\n", " ") }
	db := backendtest.MariaDB(t, "CREATE DATABASE shop", one(ddl.DDL()), one(ddl.PlainDDL()))
	rows, cache, s := open(db.Addr(), false)
	put := func(st backends.Store, name, data string, life time.Duration) {
		t.Helper()
		if err := st.Set(bg, backends.Session{Key: backends.Key{Name: name}, Data: []byte(data), Deadline: time.Now().Add(life)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		put(rows, "alive", "row", time.Hour)
	}
	put(rows, "touched", "row", time.Second)
	put(cache, "sess:touched", "newer", time.Hour)
	for i := range 25 {
		put(rows, "dead-"+string(rune('a'+i)), "row", time.Second)
	}
	time.Sleep(1100 * time.Millisecond)

	var told atomic.Int64
	got, err := s.Reap(bg, hybrid.Reap{Batch: 7, Pause: time.Millisecond, Progress: func(hybrid.Reaped) { told.Add(1) }})
	if want := (hybrid.Reaped{Ended: 26, Revived: 1, Dropped: 25, Whole: true}); err != nil || got != want {
		t.Errorf("got %+v %v, want %+v", got, err, want)
	}
	if told.Load() < 4 {
		t.Errorf("told %d times of its progress", told.Load())
	}
	for name, want := range map[string]string{"alive": "row", "touched": "newer"} {
		if r, err := rows.Read(bg, backends.Key{Name: name}); err != nil || string(r.Data) != want {
			t.Errorf("%s: %+v %v, want %q", name, r, err, want)
		}
	}
	if got, err := s.Reap(bg, hybrid.Reap{}); err != nil || got != (hybrid.Reaped{Whole: true}) {
		t.Errorf("a second walk: %+v %v", got, err)
	}

	// While another one walks.
	if ok, err := cache.Lock(bg, backends.Key{Name: "crossfade:test:reaper"}, "another", time.Minute); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := s.Reap(bg, hybrid.Reap{}); !errors.Is(err, hybrid.ErrReaping) {
		t.Errorf("while another one walks: %v", err)
	}
	cache.Unlock(bg, backends.Key{Name: "crossfade:test:reaper"}, "another")
	_, _, theirs := open(db.Addr(), true)
	if _, err := theirs.Reap(bg, hybrid.Reap{}); !errors.Is(err, hybrid.ErrNoReap) {
		t.Errorf("the application's own table: %v", err)
	}

	// memcached does not answer: nothing may be deleted.
	put(rows, "unsure", "row", time.Second)
	time.Sleep(1100 * time.Millisecond)
	if err := mc.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reap(bg, hybrid.Reap{}); err == nil {
		t.Error("it walked without memcached")
	}
	names, _, err := rows.Ended(context.Background(), "", 10)
	if err != nil || len(names) != 1 {
		t.Errorf("left %q %v, want the one", names, err)
	}
}
