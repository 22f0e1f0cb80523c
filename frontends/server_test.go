package frontends_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var web = kinds.Kind{Name: "web", Keys: []string{"s.{id: [a-z0-9]+}"}, Locks: []string{"l.{id}"}}

const version = "VERSION 1.6.18\r\n"

// client is one connection of a test.
type client struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, network, addr string) client {
	t.Helper()
	nc, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	return client{t, nc}
}

// ask sends, and wants this answer.
func (c client) ask(send, want string) {
	c.t.Helper()
	if _, err := io.WriteString(c, send); err != nil {
		c.t.Fatal(err)
	}
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		c.t.Fatalf("sent %.100q: got %q, %v, want %q", send, got[:n], err, want)
	}
}

// ended wants the rest of the answers, and the end of the connection.
func (c client) ended(want string) {
	c.t.Helper()
	if got, err := io.ReadAll(c); err != nil || string(got) != want {
		c.t.Fatalf("got %q, %v, want %q and the end", got, err, want)
	}
}

func serve(t *testing.T, s frontends.Sessions, o frontends.Options) (srv *frontends.Server, addr string) {
	t.Helper()
	srv = memcached.New(s, memcached.Options{Server: o})
	return srv, frontendtest.Start(t, srv)
}

func TestTimeouts(t *testing.T) {
	const most = time.Second // a busy machine sends a line in it
	_, addr := serve(t, frontendtest.New(t, web), frontends.Options{Idle: most, Command: most})
	for name, send := range map[string]string{"at rest": "version\r\n", "in a line": "version\r\nvers", "in data": "version\r\nset s.a 0 0 9\r\nabc"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			c := dial(t, "tcp", addr)
			c.ask(send, version)
			c.ended("")
			if d := time.Since(start); d < most || d > most+20*time.Second {
				t.Errorf("ended after %v", d)
			}
		})
	}
	t.Run("byte by byte", func(t *testing.T) { // each in time, and the command is not
		t.Parallel()
		c := dial(t, "tcp", addr)
		for end := time.Now().Add(most + 20*time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
		t.Error("a command that never ends is not ended")
	})
}

// TestReadsNothing ends a client that does not take its answers.
func TestReadsNothing(t *testing.T) {
	f := frontendtest.New(t, web)
	f.Quiet = true
	_, addr := serve(t, f, frontends.Options{Write: 100 * time.Millisecond})
	c := dial(t, "tcp", addr)
	c.ask("set s.a 0 0 100000\r\n"+strings.Repeat("x", 100_000)+"\r\n", "STORED\r\n")
	ask, start := strings.Repeat("get s.a\r\n", 1000), time.Now()
	for {
		if _, err := io.WriteString(c, ask); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("none of the answers is read, and the connection lives")
		} else if err != nil {
			break // ended
		}
	}
	if d := time.Since(start); d < 100*time.Millisecond {
		t.Errorf("ended after %v", d)
	}
}

// TestPipeline sends the answers to a packet with one write, and all that are
// due before it waits in the middle of a command.
func TestPipeline(t *testing.T) {
	srv := memcached.New(frontendtest.New(t, web), memcached.Options{})
	c := frontendtest.NewConn("version\r\nversion\r\nversion\r\nver", "sion\r\n")
	if err := srv.ServeConn(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if c.Writes != 2 || c.Answers() != strings.Repeat(version, 4) {
		t.Errorf("%d writes, want 2, of %q", c.Writes, c.Answers())
	}
}

func TestConnectionLimit(t *testing.T) {
	o, said := &counter{}, make(chan string, 8)
	log := slog.New(slog.NewTextHandler(writer(func(b []byte) { said <- string(b) }), nil))
	_, addr := serve(t, frontendtest.New(t, web), frontends.Options{Connections: 2, Observer: o, Log: log})
	a, b := dial(t, "tcp", addr), dial(t, "tcp", addr)
	a.ask("version\r\n", version)
	b.ask("version\r\n", version)
	for range 3 {
		dial(t, "tcp", addr).ended("ERROR Too many open connections\r\n")
	}
	if text := <-said; !strings.Contains(text, "clients are refused") || len(said) > 0 {
		t.Errorf("said %q and %d more, want it once", text, len(said))
	}
	a.ask("quit\r\n", "")
	a.ended("")
	for end := time.Now().Add(30 * time.Second); o.connections() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are told, want 1", o.connections())
		}
	}
	dial(t, "tcp", addr).ask("version\r\n", version)
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// counter is an Observer.
type counter struct {
	mu       sync.Mutex
	n        int
	requests []string
}

func (c *counter) Request(op, result string, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, op+" "+result)
	if d < 0 {
		panic("time runs backwards")
	}
}

func (c *counter) Unsupported(class string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, "unsupported "+class)
}

func (c *counter) Connections(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n = n
}

func (c *counter) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func TestObserver(t *testing.T) {
	f, o := frontendtest.New(t, web), &counter{}
	f.Fault = func(_ string, r kinds.Ref) error {
		if r.ID == "bad" {
			return errors.New("away")
		}
		return nil
	}
	frontendtest.Play(t, memcached.New(f, memcached.Options{Server: frontends.Options{Observer: o}}),
		"get s.a\r\nset s.a 0 0 1\r\nx\r\nget s.a s.b\r\nadd s.a 0 0 1\r\nx\r\ntouch s.a 9\r\ntouch s.b 9\r\ndelete s.a\r\ndelete s.a\r\n"+
			"add l.a 0 0 1\r\n1\r\nadd l.a 0 0 1\r\n1\r\ndelete l.a\r\ndelete l.a\r\nget s.bad\r\nget other\r\nincr s.a 1\r\nfoo\r\nset l.a 0 0 1\r\nx\r\n")
	want := "get miss|set stored|get hit|get miss|add exists|touch hit|touch missing|delete hit|delete missing|" +
		"lock stored|lock exists|unlock hit|unlock missing|get error|unsupported key|edit missing|unsupported command|unsupported lock"
	if got := strings.Join(o.requests, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// poor is a listener that has no file descriptors at first.
type poor struct {
	net.Listener
	left int
	err  error
}

func (p *poor) Accept() (net.Conn, error) {
	if p.left--; p.left >= 0 {
		return nil, &net.OpError{Op: "accept", Err: p.err}
	}
	return p.Listener.Accept()
}

func TestAcceptFails(t *testing.T) {
	var log bytes.Buffer
	srv := memcached.New(frontendtest.New(t, web), memcached.Options{Server: frontends.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(t.Context(), &poor{l, 3, syscall.EMFILE}) }()
	dial(t, "tcp", l.Addr().String()).ask("version\r\n", version)
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines of log for one want:\n%s", n, &log)
	}
	// A broken listener is the end.
	srv = memcached.New(frontendtest.New(t, web), memcached.Options{})
	l, _ = net.Listen("tcp", "127.0.0.1:0")
	if err := srv.Serve(t.Context(), &poor{l, 1, syscall.EINVAL}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Serve: %v, want EINVAL", err)
	}
}
