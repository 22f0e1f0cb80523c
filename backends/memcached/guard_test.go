package memcached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/stream"
)

// each runs a test with the meta commands and without.
func each(t *testing.T, addr string, test func(t *testing.T, o Options, open func(Options) *Store)) {
	for _, classic := range []bool{false, true} {
		t.Run(map[bool]string{false: "meta", true: "classic"}[classic], func(t *testing.T) {
			o := Options{Migration: "test", Classic: classic}
			test(t, o, func(o Options) *Store {
				s := New(addr, o)
				t.Cleanup(func() { s.Close() })
				return s
			})
		})
	}
}

// stepConn writes one command at a time and calls before each, so that
// something can happen between two commands of a packet. An error breaks the
// connection.
type stepConn struct {
	net.Conn
	before func(line string) error
}

func (c *stepConn) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := bytes.Index(rest, []byte("\r\n")) + 2
		line := string(rest[:n])
		if verb, _, _ := strings.Cut(line, " "); verb == "add" || verb == "set" || verb == "cas" || verb == "append" || verb == "ms" {
			n += bytes.Index(rest[n:], []byte("\r\n")) + 2
		}
		n = max(n, 1)
		if err := c.before(line); err != nil {
			c.Close()
			return 0, err
		}
		if _, err := c.Conn.Write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// steps makes a dialer whose connections call before.
func steps(addr string, before func(line string) error) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return &stepConn{nc, before}, nil
	}
}

// A delete that comes between any two steps of a copy is never undone by it.
func TestBuryBetweenTheStepsOfACopy(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	each(t, srv.Addr(), func(t *testing.T, o Options, open func(Options) *Store) {
		other := open(o)
		for at := range 5 { // add, get, look, cas; and one that never comes
			for _, there := range []bool{false, true} {
				k := key(fmt.Sprintf("%s-%d-%v", strings.ReplaceAll(t.Name(), "/", "-"), at, there))
				ctx := within(t, time.Minute)
				if there {
					if err := other.Set(ctx, backends.Session{Key: k, Data: []byte("old")}); err != nil {
						t.Fatal(err)
					}
				}
				var mu sync.Mutex
				step := 0
				o := o
				o.Dial = steps(srv.Addr(), func(line string) error {
					mu.Lock()
					defer mu.Unlock()
					if !strings.Contains(line, k.Name) {
						return nil
					}
					if step == at {
						time.Sleep(20 * time.Millisecond) // the step before has been executed
						if _, err := other.Bury(ctx, k, time.Minute); err != nil {
							t.Error(err)
						}
					}
					step++
					return nil
				})
				s := open(o)
				g, err := s.Guard(ctx, k, time.Now().Add(10*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				err = g.Swap(ctx, backends.Session{Key: k, Data: []byte("copy")})
				g.Release()
				mu.Lock()
				buried := step > at
				mu.Unlock()
				rec, rerr := other.Read(ctx, k)
				if rerr != nil {
					t.Fatal(rerr)
				}
				if buried && (rec.Found || !rec.Gone || !errors.Is(err, backends.ErrConflict)) {
					t.Errorf("buried before step %d: swap %v, then found %v, gone %v", at, err, rec.Found, rec.Gone)
				}
				if !buried && err != nil {
					t.Errorf("step %d did not come, and swap got %v", at, err)
				}
			}
		}
	})
}

// A revive is a copy in two steps, and what comes between them sees either the
// session or the tombstone.
func TestBetweenTheStepsOfARevive(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	each(t, srv.Addr(), func(t *testing.T, o Options, open func(Options) *Store) {
		other := open(o)
		gap := 0            // how often the session was there and the tombstone not yet away
		for at := range 6 { // add, get, look, cas, delete of the tombstone; and one that never comes
			for _, what := range []string{"bury", "guard", "delete", "break"} {
				k := key(fmt.Sprintf("%s-%d-%s", strings.ReplaceAll(t.Name(), "/", "-"), at, what))
				ctx := within(t, time.Minute)
				if _, err := other.Bury(ctx, k, time.Minute); err != nil {
					t.Fatal(err)
				}
				var mu sync.Mutex
				step := 0
				o := o
				o.Dial = steps(srv.Addr(), func(line string) error {
					mu.Lock()
					defer mu.Unlock()
					if !strings.Contains(line, k.Name) {
						return nil
					}
					if step++; step-1 != at {
						return nil
					}
					time.Sleep(10 * time.Millisecond) // the step before has been executed
					switch what {
					case "bury":
						if _, err := other.Bury(ctx, k, time.Minute); err != nil {
							t.Error(err)
						}
					case "delete":
						if _, err := other.Delete(ctx, k); err != nil {
							t.Error(err)
						}
					case "guard": // of a copy that has read its source before the delete
						g, err := other.Guard(ctx, k, time.Now().Add(10*time.Second))
						if err != nil {
							t.Error(err)
							return nil
						}
						defer g.Release()
						if rec := g.Record(); rec.Found == rec.Gone {
							t.Errorf("before step %d: found %v, gone %v", at, rec.Found, rec.Gone)
						} else if rec.Found {
							gap++
						}
						if err := g.Swap(ctx, backends.Session{Key: k, Data: []byte("stale")}); !errors.Is(err, backends.ErrConflict) {
							t.Errorf("before step %d: a swap got %v, want ErrConflict", at, err)
						}
					case "break":
						if at == 4 {
							return stream.ErrLost
						}
					}
					return nil
				})
				s := open(o)
				g, err := s.Guard(ctx, k, time.Now().Add(10*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				if !g.Record().Gone {
					t.Fatal("the tombstone is not in the record")
				}
				err = g.Revive(ctx, backends.Session{Key: k, Data: []byte("again")})
				g.Release()
				mu.Lock()
				came := step > at
				mu.Unlock()
				rec, rerr := other.Read(ctx, k)
				if rerr != nil {
					t.Fatal(rerr)
				}
				// Before its token was read a guard begins again.
				since := came && at >= 2 && (what == "bury" || what == "delete")
				conflict := since && at < 4
				switch {
				case since:
					if rec.Found || rec.Gone != (conflict || what == "bury") || conflict != errors.Is(err, backends.ErrConflict) {
						t.Errorf("%s before step %d: revive %v, then found %v, gone %v", what, at, err, rec.Found, rec.Gone)
					}
				case came && what == "break" && at == 4: // half of it was done
					if _, unknown := backends.IsUnknown(err); !unknown || !rec.Found {
						t.Errorf("broken before step %d: revive %v, then found %v", at, err, rec.Found)
					}
				case err != nil || !rec.Found || rec.Gone:
					t.Errorf("%s before step %d: revive %v, then found %v, gone %v", what, at, err, rec.Found, rec.Gone)
				}
			}
		}
		if gap != 1 {
			t.Errorf("the state between the two steps was seen %d times", gap)
		}
	})
}

// A claim is what no reader sees and what every writer may take.
func TestClaim(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	each(t, srv.Addr(), func(t *testing.T, o Options, open func(Options) *Store) {
		s := open(o)
		ctx := within(t, time.Minute)
		sess := func(k backends.Key) backends.Session { return backends.Session{Key: k, Data: []byte("new")} }
		for name, do := range map[string]func(k backends.Key) (bool, error){
			"get":  func(k backends.Key) (bool, error) { _, found, err := s.Get(ctx, k); return found, err },
			"read": func(k backends.Key) (bool, error) { r, err := s.Read(ctx, k); return r.Found, err },
			"many": func(k backends.Key) (bool, error) {
				r, err := s.ReadMany(ctx, []backends.Key{k, k})
				return r[1].Found, err
			},
			"delete": func(k backends.Key) (bool, error) { return s.Delete(ctx, k) },
			"bury":   func(k backends.Key) (bool, error) { return s.Bury(ctx, k, time.Minute) },
			"touch":  func(k backends.Key) (bool, error) { return s.Touch(ctx, k, time.Now().Add(time.Hour)) },
			"add":    func(k backends.Key) (bool, error) { ok, err := s.Add(ctx, sess(k)); return !ok, err },
			"undo":   func(k backends.Key) (bool, error) { ok, _, err := s.AddUndo(ctx, sess(k)); return !ok, err },
			"guard": func(k backends.Key) (bool, error) {
				g, err := s.Guard(ctx, k, time.Now().Add(5*time.Second))
				if err != nil {
					return false, err
				}
				defer g.Release()
				return g.Record().Found, nil
			},
		} {
			k := key("claim-" + name + "-" + fmt.Sprint(o.Classic))
			g, err := s.Guard(ctx, k, time.Now().Add(5*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if found, err := do(k); found || err != nil {
				t.Errorf("%s: got found %v, %v, want a claim to be missing", name, found, err)
			}
			if name == "delete" || name == "bury" || name == "add" || name == "undo" {
				if err := g.Swap(ctx, backends.Session{Key: k, Data: []byte("copy")}); !errors.Is(err, backends.ErrConflict) {
					t.Errorf("swap after %s: got %v, want ErrConflict", name, err)
				}
			}
			g.Release()
		}
		if err := s.Set(ctx, backends.Session{Key: key("x"), Flags: claimFlags}); !errors.Is(err, errReserved) {
			t.Errorf("set of what reads as a claim: got %v", err)
		}
	})
}

// The server gives no new token for a touch; a copy that looked before must
// not put the old deadline back.
func TestTouchBreaksGuard(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	each(t, srv.Addr(), func(t *testing.T, o Options, open func(Options) *Store) {
		s, ctx, k := open(o), within(t, 10*time.Second), key("touched")
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		if err := s.Set(ctx, backends.Session{Key: k, Data: []byte("x"), Flags: 9, Deadline: in(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		g, err := s.Guard(ctx, k, in(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer g.Release()
		if found, err := s.Touch(ctx, k, in(time.Hour)); !found || err != nil {
			t.Fatal(found, err)
		}
		if err := g.Swap(ctx, backends.Session{Key: k, Data: []byte("x"), Deadline: in(time.Minute)}); !errors.Is(err, backends.ErrConflict) {
			t.Errorf("got %v, want ErrConflict", err)
		}
		if got, _, err := s.Get(ctx, k); err != nil || string(got.Data) != "x" || got.Flags != 9 {
			t.Errorf("got %q, flags %d, %v", got.Data, got.Flags, err)
		}
	})
}

// A guarded Bury that fails leaves no tombstone of its own, and takes none away
// that is somebody else's.
func TestGuardedBuryConflict(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	each(t, srv.Addr(), func(t *testing.T, o Options, open func(Options) *Store) {
		s, ctx := open(o), within(t, 10*time.Second)
		for _, stood := range []bool{false, true} {
			k := key(fmt.Sprintf("conflict-%v-%v", o.Classic, stood))
			g, err := s.Guard(ctx, k, time.Now().Add(5*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if stood {
				if _, err := s.Bury(ctx, k, time.Minute); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Set(ctx, backends.Session{Key: k, Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			if err := g.Bury(ctx, time.Minute); !errors.Is(err, backends.ErrConflict) {
				t.Errorf("got %v, want ErrConflict", err)
			}
			g.Release()
			if _, err := s.Delete(ctx, k); err != nil {
				t.Fatal(err)
			}
			if rec, err := s.Read(ctx, k); err != nil || rec.Gone != stood {
				t.Errorf("a tombstone stood: %v; then gone is %v, %v", stood, rec.Gone, err)
			}
		}
	})
}
