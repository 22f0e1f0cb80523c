package hybrid_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memory"
)

// alive tells what becomes of a session that is written on, again and again,
// each time due.
func (p *pair) alive(t testing.TB, what string) {
	t.Helper()
	for range 3 {
		if err := p.Set(bg, session("on")); err != nil {
			t.Errorf("%s: a live session: %v", what, err)
		}
		if p.rows != nil && held(t, p.rows) == "-" {
			t.Errorf("%s: the session is not in the table", what)
		}
		time.Sleep(61 * time.Second)
	}
}

// TestMarkersOfTheDead: whatever ends a session ends what was noted of its row:
// the one that follows under the same id is written to the table at once, and
// not taken for a logout.
func TestMarkersOfTheDead(t *testing.T) {
	past := func() backends.Session {
		s := session("")
		s.Deadline = time.Now().Add(-time.Second)
		return s
	}
	for name, end := range map[string]func(t *testing.T, p *pair){
		"a delete":       func(t *testing.T, p *pair) { p.set(t, "1"); p.Delete(bg, key) },
		"a past set":     func(t *testing.T, p *pair) { p.set(t, "1"); p.Set(bg, past()) },
		"a past touch":   func(t *testing.T, p *pair) { p.set(t, "1"); p.Touch(bg, key, past().Deadline) },
		"its own end":    func(t *testing.T, p *pair) { p.set(t, "1"); time.Sleep(time.Hour + time.Second) },
		"a copier's end": func(t *testing.T, p *pair) { p.set(t, "1"); p.bury(t) },
		"an undone add": func(t *testing.T, p *pair) {
			stored, u, err := p.AddUndo(bg, session("1"))
			if err != nil || !stored {
				t.Fatal(stored, err)
			}
			if err := u.Undo(bg); err != nil {
				t.Fatal(err)
			}
			u.Release()
		},
		"SQL, and memcached, which lost it": func(t *testing.T, p *pair) {
			p.set(t, "1")
			p.rows.Delete(bg, key)
			p.cache.Delete(bg, key)
			time.Sleep(61 * time.Second)
			if _, found, err := p.Get(bg, key); found || err != nil {
				t.Fatal(found, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, hybrid.Options{SyncEvery: time.Minute, SQLLogouts: true})
				end(t, p)
				p.alive(t, "after "+name)
			})
		})
	}
}

func (p *pair) bury(t testing.TB) {
	g, err := p.Guard(bg, key, time.Now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release()
	if err := g.Bury(bg, time.Second); err != nil {
		t.Fatal(err)
	}
}

// TestEndOnlyWithMemcached: an end that memcached did not take is no end.
func TestEndOnlyWithMemcached(t *testing.T) {
	p := open(t, hybrid.Options{})
	p.set(t, "1")
	p.fault[0] = fails
	s := session("")
	s.Deadline = time.Now().Add(-time.Second)
	err := p.Set(bg, s)
	_, touchErr := p.Touch(bg, key, s.Deadline)
	p.fault[0] = nil
	if got := held(t, p); got != "-" && (err == nil || touchErr == nil) {
		t.Errorf("%q stands after an end that was acknowledged: %v, %v", got, err, touchErr)
	}
}

// TestStalledTable: a table that does not answer at all leaves no marker that
// says it was written.
func TestStalledTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{})
		p.fault[1] = func(c memory.Call) memory.Fault {
			return memory.Fault{Latency: 10 * time.Second}
		}
		for i := range 3 {
			ctx, cancel := context.WithTimeout(bg, time.Second)
			err := p.Set(ctx, session("1"))
			cancel()
			if err == nil {
				t.Fatalf("write %d of a session that is not in the table was acknowledged", i)
			}
		}
	})
}

// TestTouchNotesNoRow: a delete that comes between what a touch does in the two
// tiers leaves no note of a row.
func TestTouchNotesNoRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute, SQLLogouts: true})
		p.set(t, "1")
		time.Sleep(2 * time.Minute)
		deleted := false
		p.fault[1] = func(c memory.Call) memory.Fault {
			if c.Op == memory.OpGuard && !deleted {
				deleted = true
				if _, err := p.Delete(bg, key); err != nil {
					t.Error(err)
				}
			}
			return memory.Fault{}
		}
		if _, err := p.Touch(bg, key, time.Now().Add(time.Hour)); err != nil {
			t.Log(err)
		}
		p.alive(t, "after a touch beside a delete")
	})
}

// TestWriteNotesNoRow: the same of a write: what it notes of the row does not
// outlive a delete that came after the row.
func TestWriteNotesNoRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute, SQLLogouts: true})
		armed := false
		p.fault[1] = func(c memory.Call) memory.Fault {
			armed = armed || c.Op == memory.OpSet
			return memory.Fault{}
		}
		p.fault[0] = func(c memory.Call) memory.Fault {
			if armed { // the first call after the row was written
				armed, p.fault[1] = false, nil
				p.fault[0] = nil
				if _, err := p.Delete(bg, key); err != nil {
					t.Error(err)
				}
			}
			return memory.Fault{}
		}
		p.Set(bg, session("1"))
		p.alive(t, "after a write beside a delete")
	})
}

// TestRevokedBesideLogin: a write that finds the row gone does not take the
// session that was made anew meanwhile.
func TestRevokedBesideLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute, SQLLogouts: true})
		p.set(t, "1")
		time.Sleep(2 * time.Minute)
		again := false
		p.fault[1] = func(c memory.Call) memory.Fault {
			if c.Op == memory.OpGet && !again { // the row is looked for
				again = true
				if _, err := p.Delete(bg, key); err != nil {
					t.Error(err)
				}
				defer func() { p.set(t, "new"); p.set(t, "newer") }()
				p.rows.Delete(bg, key)
			}
			return memory.Fault{}
		}
		// The look falls between the delete and the login.
		p.Set(bg, session("2"))
		want(t, "read", held(t, p), "newer")
	})
}

// TestRowNeverOutlives: what a copy has made longer, a shorter write makes
// shorter in the table too; and where the table does not take that, the client
// is told.
func TestRowNeverOutlives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute})
		short := func(d time.Duration) backends.Session {
			s := session("short")
			s.Deadline = time.Now().Add(d)
			return s
		}
		if err := p.Set(bg, short(10*time.Minute)); err != nil {
			t.Fatal(err)
		}
		g, err := p.Guard(bg, key, time.Now().Add(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Swap(bg, session("copied")); err != nil {
			t.Fatal(err)
		}
		g.Release()
		if err := p.Set(bg, short(20*time.Minute)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		want(t, "after its end", held(t, p), "-")

		p.set(t, "long")
		time.Sleep(2 * time.Minute)
		p.fault[1] = fails
		err = p.Set(bg, short(time.Minute))
		p.fault[1] = nil
		time.Sleep(2 * time.Minute)
		if got := held(t, p); err == nil && got != "-" {
			t.Errorf("%q stands after the end that was acknowledged", got)
		}
	})
}

// TestRowEndsFirst: a row that ended by its deadline, which memcached keeps to
// the second only, was not deleted by anybody.
func TestRowEndsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, hybrid.Options{SyncEvery: time.Minute, SQLLogouts: true})
		p.set(t, "1")
		time.Sleep(59*time.Minute + 59*time.Second + 500*time.Millisecond)
		p.rows.Delete(bg, key) // its clock is ahead
		if err := p.Set(bg, session("2")); err != nil {
			t.Errorf("a write right at the end of a row: %v", err)
		}
	})
}

// late is a memcached whose answers come in the very moment in which the caller
// leaves.
type late struct {
	*memory.Store
	leave func()
}

func (l *late) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	defer l.leave()
	return l.Store.Get(ctx, k)
}

func (l *late) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	defer l.leave()
	return l.Store.ReadMany(ctx, ks)
}

// TestLateMiss: memcached's miss alone is no answer, also where there is no time
// left to ask the table.
func TestLateMiss(t *testing.T) {
	rows := memory.New(memory.Options{Migration: "test"})
	if err := rows.Set(bg, session("1")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bg)
	s := hybrid.New(&late{memory.New(memory.Options{Migration: "test"}), cancel}, rows, hybrid.Options{Migration: "test"})
	t.Cleanup(func() { s.Close() })
	if _, found, err := s.Get(ctx, key); !found && err == nil {
		t.Error("get: a session that the table holds is missing")
	}
	ctx, cancel = context.WithCancel(bg)
	s = hybrid.New(&late{memory.New(memory.Options{Migration: "test"}), cancel}, rows, hybrid.Options{Migration: "test"})
	t.Cleanup(func() { s.Close() })
	if rec, err := s.Read(ctx, key); !rec.Found && err == nil {
		t.Error("read: a session that the table holds is missing")
	}
}
