package hybrid_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memory"
)

var (
	bg  = context.Background()
	key = backends.Key{Name: "sess:1"}
)

// pair is a hybrid over two memories, whose calls can fail.
type pair struct {
	*hybrid.Store
	cache, rows *memory.Store
	fault       [2]memory.Faults
}

func open(t testing.TB, o hybrid.Options) *pair {
	p := &pair{}
	hook := func(i int) memory.Faults {
		return func(c memory.Call) memory.Fault {
			if f := p.fault[i]; f != nil {
				return f(c)
			}
			return memory.Fault{}
		}
	}
	o.Migration = "test"
	p.cache = memory.New(memory.Options{Migration: "test", Faults: hook(0)})
	p.rows = memory.New(memory.Options{Migration: "test", Faults: hook(1)})
	p.Store = hybrid.New(p.cache, p.rows, o)
	t.Cleanup(func() { p.Close() })
	return p
}

func fails(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} }

func session(data string) backends.Session {
	return backends.Session{Key: key, Data: []byte(data), Deadline: time.Now().Add(time.Hour)}
}

func (p *pair) set(t testing.TB, data string) {
	t.Helper()
	if err := p.Set(bg, session(data)); err != nil {
		t.Fatal(err)
	}
}

func held(t testing.TB, s backends.Store) string {
	t.Helper()
	got, found, err := s.Get(bg, key)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return "-"
	}
	if got.Lagging {
		return string(got.Data) + " (lagging)"
	}
	return string(got.Data)
}

func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestSuiteOnMemory(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backends.Store { return open(t, hybrid.Options{}).Store }, backendtest.Options{})
}

// TestSyncEvery: the first write goes to the table, others only after a while;
// what memcached loses is read from there, and says so.
func TestSyncEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute})
		p.set(t, "1")
		p.set(t, "2")
		want(t, "the row", held(t, p.rows), "1")
		want(t, "read", held(t, p), "2")
		time.Sleep(61 * time.Second)
		p.set(t, "3")
		want(t, "the row, a minute later", held(t, p.rows), "3")
		p.set(t, "4")
		p.cache.Delete(bg, key)
		want(t, "read after an eviction", held(t, p), "3 (lagging)")
		rec, err := p.Read(bg, key)
		if err != nil || !rec.Lagging || !rec.Found {
			t.Errorf("%+v %v", rec, err)
		}
		if got, want := p.Stats(), (hybrid.Stats{FromCache: 1, FromRows: 2, Synced: 2, Put: 2}); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}

// TestSharedMarker: of two agents one writes the row.
func TestSharedMarker(t *testing.T) {
	a := open(t, hybrid.Options{})
	b := &pair{Store: hybrid.New(a.cache, a.rows, hybrid.Options{Migration: "test"}), cache: a.cache, rows: a.rows}
	a.set(t, "a")
	b.set(t, "b")
	want(t, "the row", held(t, a.rows), "a")
	want(t, "read", held(t, b), "b")
}

// TestPlaceholder: PHP claims an id with an empty session, and then writes it:
// the row must hold what was written.
func TestPlaceholder(t *testing.T) {
	p := open(t, hybrid.Options{})
	empty := session("")
	if ok, err := p.Add(bg, empty); !ok || err != nil {
		t.Fatal(ok, err)
	}
	p.set(t, "data")
	want(t, "the row", held(t, p.rows), "data")
	p.cache.Delete(bg, key)
	if ok, err := p.Add(bg, empty); ok || err != nil {
		t.Errorf("an id was free that the table holds: %v %v", ok, err)
	}
}

// TestSlides: what is only touched stays alive in the table too, with the data
// that memcached has.
func TestSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute})
		p.set(t, "1")
		p.set(t, "2")
		for range 10 {
			time.Sleep(30 * time.Minute)
			if found, err := p.Touch(bg, key, time.Now().Add(time.Hour)); !found || err != nil {
				t.Fatal(found, err)
			}
		}
		want(t, "the row", held(t, p.rows), "2")
		p.cache.Delete(bg, key)
		want(t, "read after an eviction", held(t, p), "2 (lagging)")
	})
}

// TestTiersFail: memcached gone is a detour; the table gone is an error where no
// row stands, and goes unnoticed where one does.
func TestTiersFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute})
		p.set(t, "1")
		p.fault[0] = fails
		want(t, "read without memcached", held(t, p), "1 (lagging)")
		p.set(t, "2")
		want(t, "the row", held(t, p.rows), "2")
		if _, err := p.Delete(bg, key); err == nil {
			t.Error("a delete that memcached did not take was acknowledged")
		}
		p.rows.Delete(bg, key)
		if _, found, err := p.Get(bg, key); err == nil {
			t.Errorf("found %v: memcached may have it", found)
		}
		p.fault[0], p.fault[1] = nil, fails
		p.cache.Delete(bg, key)
		p.cache.Delete(bg, backends.RowKey("test", key))
		p.cache.Delete(bg, backends.SyncKey("test", key))
		if err := p.Set(bg, session("3")); err == nil {
			t.Error("a first write that the table did not take was acknowledged")
		}
		p.fault[1] = nil
		p.set(t, "4")
		want(t, "the row", held(t, p.rows), "4")
		time.Sleep(2 * time.Minute)
		p.fault[1] = fails
		p.set(t, "5")
		p.fault[1] = nil
		want(t, "the row", held(t, p.rows), "4")
		time.Sleep(6 * time.Second)
		p.set(t, "6")
		want(t, "the row, tried again", held(t, p.rows), "6")
		if got := p.Stats().Unsynced; got != 1 {
			t.Errorf("counted %d, want 1", got)
		}
	})
}

// TestSQLLogout: a row that somebody has deleted ends the session at the next
// write that is due, or touch; a session made anew is another one.
func TestSQLLogout(t *testing.T) {
	for _, touch := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, hybrid.Options{SyncEvery: time.Minute, SQLLogouts: true})
			p.set(t, "1")
			p.rows.Delete(bg, key)
			p.set(t, "2") // not due yet
			time.Sleep(61 * time.Second)
			var err error
			if touch {
				_, err = p.Touch(bg, key, time.Now().Add(time.Hour))
			} else {
				err = p.Set(bg, session("3"))
			}
			if !errors.Is(err, backends.ErrRevoked) {
				t.Errorf("touch %v: %v, want ErrRevoked", touch, err)
			}
			want(t, "read", held(t, p), "-")
			p.set(t, "new")
			time.Sleep(61 * time.Second)
			p.set(t, "newer")
			want(t, "the row", held(t, p.rows), "newer")
			if _, err := p.Delete(bg, key); err != nil {
				t.Fatal(err)
			}
			p.set(t, "again")
			want(t, "the row after a logout and a login", held(t, p.rows), "again")
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute})
		p.set(t, "1")
		p.rows.Delete(bg, key)
		time.Sleep(61 * time.Second)
		p.set(t, "2")
		want(t, "the row, without SQLLogouts", held(t, p.rows), "2")
	})
}

// TestTouchBesideDelete: a touch that is on its way to the table does not bring
// back what a delete has taken from memcached.
func TestTouchBesideDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute})
		p.set(t, "1")
		time.Sleep(2 * time.Minute)
		p.fault[1] = func(c memory.Call) memory.Fault {
			if c.Op == memory.OpGuard {
				return memory.Fault{Latency: 100 * time.Millisecond}
			}
			return memory.Fault{}
		}
		done := make(chan struct{})
		go func() { defer close(done); p.Touch(bg, key, time.Now().Add(time.Hour)) }()
		time.Sleep(50 * time.Millisecond)
		if _, err := p.Delete(bg, key); err != nil {
			t.Fatal(err)
		}
		<-done
		want(t, "read", held(t, p), "-")
	})
}

// TestReadOnly: the application's own table is read, and never written.
func TestReadOnly(t *testing.T) {
	p := open(t, hybrid.Options{ReadOnly: true})
	p.rows.Set(bg, session("theirs"))
	p.fault[1] = func(c memory.Call) memory.Fault {
		switch c.Op {
		case memory.OpRead, memory.OpScan, memory.OpGet, memory.OpReadMany, memory.OpHealth:
			return memory.Fault{}
		}
		t.Errorf("the table was asked for %v", c.Op)
		return memory.Fault{}
	}
	want(t, "a client's get", held(t, p), "-")
	if rec, err := p.Read(bg, key); err != nil || string(rec.Data) != "theirs" || !rec.Lagging {
		t.Errorf("%+v %v", rec, err)
	}
	p.set(t, "ours")
	p.Touch(bg, key, time.Now().Add(2*time.Hour))
	g, err := p.Guard(bg, key, time.Now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Swap(bg, session("copied")); err != nil {
		t.Error(err)
	}
	g.Release()
	if _, err := p.Delete(bg, key); err != nil {
		t.Error(err)
	}
	want(t, "the row", held(t, p.rows), "theirs")
}

// TestOneFault: one call that memcached does not take is made again, so that
// nothing goes past a copy that others still read.
func TestOneFault(t *testing.T) {
	p := open(t, hybrid.Options{})
	p.set(t, "1")
	p.set(t, "2") // memcached alone
	once := func(op memory.Op) {
		left := 1
		p.fault[0] = func(c memory.Call) memory.Fault {
			if c.Op == op && left > 0 {
				left--
				return memory.Fault{Kind: memory.NotApplied}
			}
			return memory.Fault{}
		}
	}
	once(memory.OpGet)
	want(t, "a read", held(t, p), "2")
	once(memory.OpReadMany)
	if rec, err := p.Read(bg, key); err != nil || rec.Lagging || string(rec.Data) != "2" {
		t.Errorf("the whole record: %+v %v", rec, err)
	}
	once(memory.OpSet)
	p.set(t, "3")
	want(t, "a read after a write", held(t, p), "3")
	once(memory.OpTouch)
	if found, err := p.Touch(bg, key, time.Now().Add(2*time.Hour)); !found || err != nil {
		t.Error(found, err)
	}
	want(t, "a read after a touch", held(t, p), "3")
}
