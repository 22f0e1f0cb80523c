package memcached

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
)

// A server that answers nonsense gets its connection closed; a read fails, and
// what may have changed something is unknown.
func TestSurprise(t *testing.T) {
	for name, answer := range map[string]string{
		"nonsense":       "HELLO\r\n",
		"another key":    "VA 1 kb f0 c1 t1\r\nx\r\n",
		"no such item":   "VA 1 ka f0 c1 t1\r\nxyz\r\n", // longer than it says
		"no end of line": strings.Repeat("x", 2*readBuffer),
		"too long":       "EN" + strings.Repeat(" ", maxLine) + "\r\n",
		"lone newline":   "EN\n",
		"half a line":    "VA 1",
		"half a value":   "VA 10 ka f0 c1 t1\r\nxyz",
		"client error":   "CLIENT_ERROR line too long\r\n",
		"nothing":        "",
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := newFake(t, Options{}, func(_ *fake, n int, nc net.Conn, br *bufio.Reader) {
				if !skip(br, 1) {
					return
				}
				io.WriteString(nc, answer)
			})
			if _, found, err := s.Get(within(t, 30*time.Second), key("a")); err == nil || found {
				t.Errorf("get: got found %v, %v, want an error", found, err)
			} else if _, unknown := backends.IsUnknown(err); unknown {
				t.Errorf("get: got an Unknown")
			}
			err := s.Set(within(t, 5*time.Second), backends.Session{Key: key("a"), Data: []byte("secret")})
			u, unknown := backends.IsUnknown(err)
			if !unknown {
				t.Fatalf("set: got %v, want an Unknown", err)
			}
			if u.RunID != "7-1000" {
				t.Errorf("got run id %q", u.RunID)
			}
			if isDone(u) {
				t.Errorf("the doubt has ended, and the server may still have the connection")
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the data: %v", err)
			}
		})
	}
}

// An answer that nobody asked for is a surprise too.
func TestUnasked(t *testing.T) {
	s, _ := newFake(t, Options{}, func(_ *fake, n int, nc net.Conn, br *bufio.Reader) {
		skip(br, 1)
		io.WriteString(nc, "EN\r\nEN\r\n")
		drain(br)
	})
	for range 3 {
		if _, found, err := s.Get(within(t, 30*time.Second), key("a")); found || err != nil && !errors.Is(err, errProtocol) {
			t.Errorf("got found %v, %v", found, err)
		}
	}
}

// What a server only promises takes no memory.
func TestPromisedValue(t *testing.T) {
	s, _ := newFake(t, Options{}, func(_ *fake, n int, nc net.Conn, br *bufio.Reader) {
		skip(br, 1)
		io.WriteString(nc, "VA 1073741824 ka f0 c1 t1\r\nxyz")
		drain(br)
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ctx := within(t, 100*time.Millisecond)
	if _, _, err := s.Get(ctx, key("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes were allocated for a value that never came", grown)
	}
}

// A late answer ends the doubt, is given to nobody else, and brings the
// connection back.
func TestLateAnswer(t *testing.T) {
	release := make(chan struct{})
	s, _ := newFake(t, Options{MaxConns: 1}, func(_ *fake, n int, nc net.Conn, br *bufio.Reader) {
		skip(br, 2) // the set, with its data
		<-release
		io.WriteString(nc, "STORED\r\n")
		skip(br, 1)
		io.WriteString(nc, "VA 3 knew f0 c1 t9\r\nnew\r\n")
		drain(br)
	})
	u := unsure(t, func(ctx context.Context) error {
		return s.Set(ctx, backends.Session{Key: key("old"), Data: []byte("x")})
	})
	if !errors.Is(u, context.DeadlineExceeded) {
		t.Fatalf("set: got %v, want an Unknown past its deadline", u)
	}
	if _, _, err := s.Get(within(t, 10*time.Second), key("new")); !errors.Is(err, backends.ErrBusy) {
		t.Errorf("get with the only connection parked: got %v, want ErrBusy", err)
	}
	if open, parked := s.pool.Count(); open != 1 || parked != 1 {
		t.Errorf("got %d connections, %d parked, want 1 and 1", open, parked)
	}
	close(release)
	select {
	case <-u.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the late answer was read, and the doubt goes on")
	}
	got, found, err := s.Get(within(t, 30*time.Second), key("new"))
	if err != nil || !found || string(got.Data) != "new" {
		t.Errorf("get: got %q, %v, %v", got.Data, found, err)
	}
}

// Callers behind a stalled one leave at their own deadlines, and a parked
// connection is replaced, as long as there may be one more.
func TestStalledConnection(t *testing.T) {
	s, _ := newFake(t, Options{Conns: 1, MaxConns: 3}, func(_ *fake, n int, nc net.Conn, br *bufio.Reader) {
		for n > 2 && skip(br, 1) {
			io.WriteString(nc, "EN\r\n")
		}
		drain(br) // the first two take what comes and say nothing
	})
	for range 2 {
		var wg sync.WaitGroup
		for i := range 8 {
			patience := time.Duration(100+50*i) * time.Millisecond
			wg.Go(func() {
				begin := time.Now()
				err := s.Set(within(t, patience), backends.Session{Key: key("a")})
				if took := time.Since(begin); took > patience+10*time.Second {
					t.Errorf("a deadline of %v took %v", patience, took)
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
	}
	for range 5 {
		if _, found, err := s.Get(within(t, 30*time.Second), key("a")); err != nil || found {
			t.Errorf("got found %v, %v, want missing", found, err)
		}
	}
	if open, parked := s.pool.Count(); open != 3 || parked != 2 {
		t.Errorf("got %d connections, %d parked, want 3 and 2", open, parked)
	}
}

// Reads leave no doubt: a connection that only they keep parked makes room.
func TestStalledReads(t *testing.T) {
	s, _ := newFake(t, Options{MaxConns: 1}, func(_ *fake, n int, nc net.Conn, br *bufio.Reader) {
		for n > 1 && skip(br, 1) {
			io.WriteString(nc, "EN\r\n")
		}
		drain(br)
	})
	if _, _, err := s.Get(within(t, 30*time.Millisecond), key("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if _, _, err := s.Get(within(t, 30*time.Second), key("a")); err != nil {
		t.Errorf("got %v, want an answer on another connection", err)
	}
}

// What did not fit into the connection is taken back by who leaves: it changes
// nothing, and what stands behind it in the queue is still sent whole.
func TestUnsentIsTakenBack(t *testing.T) {
	start := make(chan struct{})
	got := make(chan string, 10)
	s, _ := newFake(t, Options{MaxConns: 1}, func(_ *fake, n int, nc net.Conn, br *bufio.Reader) {
		<-start // a pipe holds nothing: the first write waits for this
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			got <- line
			io.WriteString(nc, "EN\r\n")
		}
	})
	ctx := within(t, 30*time.Second)
	var wg sync.WaitGroup
	get := func(name string) {
		wg.Go(func() {
			if _, _, err := s.Get(ctx, key(name)); err != nil {
				t.Errorf("get %s: %v", name, err)
			}
		})
		for n := len(s.pool.List()); n == 0; n = len(s.pool.List()) {
			time.Sleep(time.Millisecond)
		}
	}
	get("first")
	for s.pool.List()[0].Load() < 1 {
		time.Sleep(time.Millisecond)
	}
	cancelled, cancel := context.WithCancel(ctx)
	wg.Go(func() {
		err := s.Set(cancelled, backends.Session{Key: key("mid"), Data: []byte("data")})
		if _, unknown := backends.IsUnknown(err); unknown || !errors.Is(err, context.Canceled) {
			t.Errorf("set: got %v, want no Unknown for what was never sent", err)
		}
	})
	for s.pool.List()[0].Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	get("last")
	for s.pool.List()[0].Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	for s.pool.List()[0].Load() > 2 {
		time.Sleep(time.Millisecond)
	}
	close(start)
	wg.Wait()
	for _, want := range []string{"mg first k v f c t\r\n", "mg last k v f c t\r\n"} {
		if line := <-got; line != want {
			t.Errorf("the server got %q, want %q", line, want)
		}
	}
}

// Both bounds refuse at once, and nothing was changed.
func TestQueueBounds(t *testing.T) {
	for name, o := range map[string]Options{"calls": {MaxConns: 1, InFlight: 4}, "bytes": {MaxConns: 1, Queued: 4000}} {
		t.Run(name, func(t *testing.T) {
			s, _ := newFake(t, o, func(_ *fake, n int, nc net.Conn, br *bufio.Reader) { drain(br) })
			patience := 30 * time.Second
			if name == "bytes" { // how many fit is not counted
				patience = 300 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var wg sync.WaitGroup
			var busy atomic.Int64
			const most = 4
			for range 64 {
				wg.Go(func() {
					err := s.Set(ctx, backends.Session{Key: key("a"), Data: make([]byte, 500)})
					if errors.Is(err, backends.ErrBusy) && busy.Add(1) == 64-most {
						cancel() // nobody else is to be waited for
					}
				})
			}
			wg.Wait()
			if name == "calls" && busy.Load() < 64-most {
				t.Errorf("%d calls of 64 were refused, want %d", busy.Load(), 64-most)
			}
			if cn := s.pool.List(); len(cn) == 1 && cn[0].Waiting() > 64<<10 {
				t.Errorf("%d bytes wait for a server that reads nothing", cn[0].Waiting())
			}
		})
	}
}

// Between failed dials calls are refused at once, with the reason.
func TestBackoff(t *testing.T) {
	dials := 0
	refused := errors.New("no route")
	s := New("", Options{Dial: func(context.Context) (net.Conn, error) { dials++; return nil, refused }})
	defer s.Close()
	begin := time.Now()
	for time.Since(begin) < 300*time.Millisecond || dials < 2 && time.Since(begin) < 20*time.Second {
		err := s.Set(t.Context(), backends.Session{Key: key("a")})
		if _, unknown := backends.IsUnknown(err); unknown || !errors.Is(err, refused) {
			t.Fatalf("got %v", err)
		}
	}
	if dials < 2 || dials > 20 {
		t.Errorf("%d dials in %v, want a few", dials, time.Since(begin))
	}
}

// TestSecondDial: one dial that fails is tried again at once.
func TestSecondDial(t *testing.T) {
	server := backendtest.Memcached(t)
	dials := 0
	s := New("", Options{Dial: func(ctx context.Context) (net.Conn, error) {
		if dials++; dials == 1 {
			return nil, errors.New("by chance")
		}
		return new(net.Dialer).DialContext(ctx, "tcp", server.Addr())
	}})
	defer s.Close()
	if err := s.Set(t.Context(), backends.Session{Key: key("a")}); err == nil {
		t.Error("the first dial was made to fail")
	}
	if err := s.Set(t.Context(), backends.Session{Key: key("a")}); err != nil {
		t.Errorf("the second: %v", err)
	}
}
