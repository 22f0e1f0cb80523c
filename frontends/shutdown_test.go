package frontends_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

// gate is Sessions of which a get waits.
type gate struct {
	*frontendtest.Sessions
	entered chan struct{}
	open    chan struct{}
}

func newGate(t *testing.T) *gate {
	return &gate{frontendtest.New(t, web), make(chan struct{}, 100), make(chan struct{})}
}

func (g *gate) Resolve(name []byte) (kinds.Ref, bool) {
	if string(name) == "s.wait" {
		g.entered <- struct{}{}
		<-g.open
	}
	return g.Sessions.Resolve(name)
}

func TestShutdown(t *testing.T) {
	g := newGate(t)
	srv, addr := serve(t, g, frontends.Options{})
	resting, busy, half := dial(t, "tcp", addr), dial(t, "tcp", addr), dial(t, "tcp", addr)
	resting.ask("version\r\n", version)
	half.ask("version\r\n", version)
	half.ask("set s.a 0 0 3\r\na", "")
	io.WriteString(busy, "get s.wait\r\nversion\r\n")
	<-g.entered
	time.Sleep(20 * time.Millisecond) // for half's bytes to be read; passes without
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(t.Context()) }()
	resting.ended("")
	if nc, err := net.Dial("tcp", addr); err == nil {
		nc.SetDeadline(time.Now().Add(30 * time.Second))
		if n, err := nc.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("served after Shutdown")
		}
		nc.Close()
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v with commands under way", err)
	default:
	}
	close(g.open)
	busy.ended("END\r\n" + version) // what had come is answered
	half.ask("bc\r\n", "STORED\r\n")
	half.ended("")
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown: %v", err)
	}
	if err := srv.ServeConn(t.Context(), frontendtest.NewConn("version\r\n")); !errors.Is(err, frontends.ErrStopped) {
		t.Errorf("ServeConn after Shutdown: %v", err)
	}
}

// TestShutdownOfATalker ends a client of whom there is always a further command
// in the buffer.
func TestShutdownOfATalker(t *testing.T) {
	srv := memcached.New(frontendtest.New(t, web), memcached.Options{})
	served := make(chan error, 1)
	go func() { served <- srv.ServeConn(t.Context(), &frontendtest.Loop{Packet: "sion\r\nver", N: 1 << 60}) }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	time.Sleep(10 * time.Millisecond) // for it to be in the middle; passes without
	if err := srv.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	<-served
}

// TestLastWords come although the client has sent more than was read: to close
// at once would reset the connection and destroy them.
func TestLastWords(t *testing.T) {
	_, addr := serve(t, frontendtest.New(t, web), frontends.Options{})
	for range 20 {
		c := dial(t, "tcp", addr)
		io.WriteString(c, "set s.a 0 0 x\r\n"+strings.Repeat("x", 1<<20))
		c.Conn.(*net.TCPConn).CloseWrite()
		c.ended("CLIENT_ERROR bad command line format\r\n")
	}
}

// TestShutdownForced ends with its context, however long a command takes.
func TestShutdownForced(t *testing.T) {
	g := newGate(t)
	srv := memcached.New(g, memcached.Options{})
	l, err := frontends.Listen(t.Context(), "127.0.0.1:0", frontends.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(t.Context(), l) }()
	busy, slow := dial(t, "tcp", l.Addr().String()), dial(t, "tcp", l.Addr().String())
	io.WriteString(busy, "get s.wait\r\n")
	slow.ask("version\r\nver", version)
	<-g.entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	slow.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := slow.Read(make([]byte, 1)); errors.Is(err, context.DeadlineExceeded) || err == nil {
		t.Errorf("a slow client was kept: %v", err)
	}
	close(g.open)
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestContext ends Serve at once, with the cause.
func TestContext(t *testing.T) {
	srv := memcached.New(frontendtest.New(t, web), memcached.Options{})
	l, err := frontends.Listen(t.Context(), "127.0.0.1:0", frontends.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, l) }()
	c := dial(t, "tcp", l.Addr().String())
	c.ask("version\r\n", version)
	why := errors.New("because")
	cancel(why)
	if err := <-served; !errors.Is(err, why) {
		t.Errorf("Serve: %v, want the cause", err)
	}
	c.ended("")
}

// TestShutdownLetsRequestsEnd: a client that connects for each request sends
// several commands, with its own work in between. One that has just been
// accepted, or holds a lock, is served to its end; one that is kept is not.
func TestShutdownLetsRequestsEnd(t *testing.T) {
	t.Parallel()                  // it waits more than it works
	const young = 2 * time.Second // long enough for a page of a busy machine
	srv, addr := serve(t, frontendtest.New(t, web), frontends.Options{Young: young})
	kept, locked := dial(t, "tcp", addr), dial(t, "tcp", addr)
	kept.ask("version\r\n", version)
	locked.ask("add l.a 0 30 1\r\n1\r\n", "STORED\r\n")
	time.Sleep(young + 50*time.Millisecond) // both are old now
	silent, page := dial(t, "tcp", addr), dial(t, "tcp", addr)
	page.ask("set s.a 0 0 1\r\na\r\n", "STORED\r\n")
	last := dial(t, "tcp", addr)
	last.ask("version\r\n", version) // silent, before it, is accepted too
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(t.Context()) }()
	kept.ended("")
	silent.ask("get s.a\r\n", "VALUE s.a 0 1\r\na\r\nEND\r\n")
	page.ask("get s.a\r\n", "VALUE s.a 0 1\r\na\r\nEND\r\n")
	page.ended("") // when it is no longer young
	locked.ask("set s.a 0 0 1\r\nb\r\n", "STORED\r\n")
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v while a client holds a lock", err)
	default:
	}
	locked.ask("delete l.a\r\n", "DELETED\r\n")
	locked.ended("")
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
