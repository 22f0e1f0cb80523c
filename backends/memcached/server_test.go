package memcached

import (
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

// Without memory a set is refused and the old session is gone; whatever is
// only allowed to write on a condition must not have that effect.
func TestNoMemory(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t, "-M", "-m", "2")
	s := New(srv.Addr(), Options{})
	defer s.Close()
	ctx, k := within(t, 20*time.Second), key("kept")
	big := make([]byte, 100_000)
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = s.Set(ctx, backends.Session{Key: key(fmt.Sprint("fill", i)), Data: big})
	}
	if u, unknown := backends.IsUnknown(err); !unknown || !isDone(u) || !errors.Is(err, errServer) {
		t.Fatalf("filled up: got %v, want an Unknown that is over", err)
	}
	small := backends.Session{Key: k, Data: []byte("x")}
	if err := s.Set(ctx, small); err != nil {
		t.Fatal(err)
	}
	g, err := s.Guard(ctx, k, time.Now().Add(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release()
	for name, do := range map[string]func() error{
		"add":  func() error { _, err := s.Add(ctx, backends.Session{Key: k, Data: big}); return err },
		"undo": func() error { _, _, err := s.AddUndo(ctx, backends.Session{Key: k, Data: big}); return err },
		"swap": func() error { return g.Swap(ctx, backends.Session{Key: k, Data: big}) },
		"lock": func() error { _, err := s.Lock(ctx, k, string(big), time.Minute); return err },
	} {
		if _, unknown := backends.IsUnknown(do()); unknown {
			t.Errorf("%s: got an Unknown", name)
		}
		if _, found, err := s.Get(ctx, k); err != nil || !found {
			t.Errorf("after a refused %s: got found %v, %v, want the session that stood there", name, found, err)
		}
	}
}

// What is accepted here the server takes, to the byte: a set that it refuses
// would cost the session that stands there.
func TestSizeLimit(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	s := New(srv.Addr(), Options{})
	defer s.Close()
	ctx, k := within(t, 20*time.Second), key(strings.Repeat("k", 250))
	for size := backends.MaxData; ; size++ {
		err := s.Set(ctx, backends.Session{Key: k, Data: make([]byte, size), Flags: 1})
		if _, unknown := backends.IsUnknown(err); unknown || err != nil && !errors.Is(err, backends.ErrTooLarge) {
			t.Fatalf("%d bytes: got %v", size, err)
		}
		if err != nil {
			break
		}
	}
	if _, found, err := s.Get(ctx, k); err != nil || !found {
		t.Errorf("after the refusal: got found %v, %v", found, err)
	}
	large := backendtest.Memcached(t, "-I", "4m")
	s = New(large.Addr(), Options{})
	defer s.Close()
	if err := s.Set(ctx, backends.Session{Key: k, Data: make([]byte, 3<<20)}); err != nil {
		t.Errorf("3 MiB on a server started with -I 4m: %v", err)
	}
	if err := s.Set(ctx, backends.Session{Key: k, Data: make([]byte, 4<<20)}); !errors.Is(err, backends.ErrTooLarge) {
		t.Errorf("4 MiB: got %v, want ErrTooLarge", err)
	}
}

func TestWithoutTokens(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t, "-C")
	each(t, srv.Addr(), func(t *testing.T, o Options, open func(Options) *Store) {
		s, ctx, k := open(o), within(t, 10*time.Second), key("a")
		if err := s.Set(ctx, backends.Session{Key: k}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Guard(ctx, k, time.Now().Add(time.Second)); !errors.Is(err, errNoCAS) {
			t.Errorf("guard: got %v", err)
		}
		if _, _, err := s.AddUndo(ctx, backends.Session{Key: key("b")}); !errors.Is(err, errNoCAS) {
			t.Errorf("add with undo: got %v", err)
		}
	})
}

// A server that closes the connection for mn (a proxy) is served the old way.
func TestFindsClassic(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	for name, answer := range map[string]string{"error": "ERROR", "closes": ""} {
		t.Run(name, func(t *testing.T) {
			s := New("", Options{Dial: func(ctx context.Context) (net.Conn, error) {
				var d net.Dialer
				nc, err := d.DialContext(ctx, "tcp", srv.Addr())
				if err != nil {
					return nil, err
				}
				return &oldConn{Conn: nc, close: answer == ""}, nil
			}})
			defer s.Close()
			ctx, k := within(t, 10*time.Second), key("a")
			if err := s.Set(ctx, backends.Session{Key: k, Data: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			got, found, err := s.Get(ctx, k)
			if err != nil || !found || string(got.Data) != "x" || !got.DeadlineUnknown {
				t.Errorf("got %q, found %v, unknown deadline %v, %v", got.Data, found, got.DeadlineUnknown, err)
			}
		})
	}
}

// oldConn is a server of old: it does not know mn.
type oldConn struct {
	net.Conn
	close bool
}

func (c *oldConn) Write(b []byte) (int, error) {
	switch {
	case strings.HasPrefix(string(b), "mg ") || strings.HasPrefix(string(b), "ms "):
		panic("a meta command")
	case string(b) != "mn\r\n":
		return c.Conn.Write(b)
	case c.close:
		c.Conn.Write([]byte("quit\r\n"))
	default:
		c.Conn.Write([]byte("nonsense\r\n"))
	}
	return len(b), nil
}

// The doubt about a call on a connection that broke ends when the server no
// longer lists it, or has restarted.
func TestSettle(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	each(t, srv.Addr(), func(t *testing.T, o Options, open func(Options) *Store) {
		s, ctx, k := open(o), within(t, time.Minute), key("a")
		if err := s.Set(ctx, backends.Session{Key: k}); err != nil {
			t.Fatal(err)
		}
		if err := srv.Freeze(); err != nil {
			t.Fatal(err)
		}
		u := unsure(t, func(ctx context.Context) error {
			return s.Set(ctx, backends.Session{Key: k, Data: []byte("late")})
		})
		for _, cn := range s.pool.List() {
			cn.Fail(stream.ErrLost)
		}
		for _, x := range s.slots.all {
			x.nc.Close()
		}
		time.Sleep(10 * time.Millisecond)
		if isDone(u) {
			t.Errorf("the doubt ended with the connection: the server may still read what it has of it")
		}
		if err := srv.Thaw(); err != nil {
			t.Fatal(err)
		}
		for u.Settle(ctx) != nil && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if !isDone(u) {
			t.Fatal("not settled")
		}
		u = s.unknown(context.DeadlineExceeded, "127.0.0.1:1", u.RunID)
		if err := u.Settle(ctx); err != nil {
			t.Errorf("a connection that is not listed: %v", err)
		}
		u = s.unknown(context.DeadlineExceeded, "", u.RunID)
		if err := u.Settle(ctx); err == nil {
			t.Errorf("settled a call on an unnamed connection, and the server has not restarted")
		}
		if err := srv.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		if err := u.Settle(ctx); err != nil {
			t.Errorf("after a restart: %v", err)
		}
	})
}

// Both the connection and the end of the context may be there to choose from.
func TestHealthCancelled(t *testing.T) {
	t.Parallel()
	srv := backendtest.Memcached(t)
	s := New(srv.Addr(), Options{})
	defer s.Close()
	if _, err := s.Health(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if _, err := s.Health(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
	}
}

func TestFullServer(t *testing.T) {
	t.Parallel()
	var f fakeFull
	s := New("", Options{Dial: f.dial})
	defer s.Close()
	if _, _, err := s.Get(within(t, 30*time.Second), key("a")); !errors.Is(err, errFull) || s.old.Load() {
		t.Errorf("got %v, taken for a server without meta: %v", err, s.old.Load())
	}
	f.wg.Wait()
}

// fakeFull is a server with no room for one more connection.
type fakeFull struct{ wg sync.WaitGroup }

func (f *fakeFull) dial(context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	f.wg.Go(func() {
		defer there.Close()
		there.Read(make([]byte, 100))
		there.Write([]byte("ERROR Too many open connections\r\n"))
	})
	return here, nil
}
