package frontends_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

// secretly serves clients that speak TLS.
func secretly(t *testing.T, o frontends.Options) (addr string) {
	t.Helper()
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	config := &tls.Config{Certificates: certified.TLS.Certificates}
	certified.Close()
	l, err := frontends.Listen(t.Context(), "127.0.0.1:0", frontends.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	srv := memcached.New(frontendtest.New(t, web), memcached.Options{Server: o})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, tls.NewListener(l, config)) }()
	t.Cleanup(func() {
		cancel()
		<-served
	})
	return l.Addr().String()
}

func dialTLS(t *testing.T, addr string) client {
	t.Helper()
	c := dial(t, "tcp", addr)
	c.Conn = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	return c
}

// TestFullWithTLS: a client for whom there is no room, and who says nothing, keeps
// nobody else from being accepted.
func TestFullWithTLS(t *testing.T) {
	addr := secretly(t, frontends.Options{Connections: 1})
	first := dialTLS(t, addr)
	first.ask("version\r\n", version)
	silent := dial(t, "tcp", addr) // and not a word
	silent.SetReadDeadline(time.Now().Add(time.Minute))
	var late net.Error
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.As(err, &late) && late.Timeout() {
		t.Fatalf("the one too many is kept: %v", err)
	}
	first.ask("quit\r\n", "")
	first.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		nc, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			nc.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(nc, "version\r\n")
			got := make([]byte, len(version))
			_, err = io.ReadFull(nc, got)
			nc.Close()
			if err == nil && string(got) == version {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("nobody is accepted any more: %v", err)
		}
	}
}

// wrapped is a connection as TLS is one: its Close has a last word for a client
// that takes none, until the connection below is closed.
type wrapped struct {
	net.Conn
	below below
}

func (w wrapped) NetConn() net.Conn { return w.below }

func (w wrapped) Close() error {
	<-w.below.closed
	return nil
}

type below struct {
	net.Conn
	closed chan struct{}
}

func (b below) Close() error {
	close(b.closed)
	return b.Conn.Close()
}

// TestForcedWithTLS: a client that takes no last word holds up no forced end, and
// nobody who waits for the server's lock.
func TestForcedWithTLS(t *testing.T) {
	srv := memcached.New(frontendtest.New(t, web), memcached.Options{})
	ours, theirs := net.Pipe()
	defer theirs.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	served := make(chan error, 1)
	go func() { served <- srv.ServeConn(ctx, wrapped{ours, below{ours, make(chan struct{})}}) }()
	client{t, theirs}.ask("version\r\n", version)
	why := errors.New("because")
	cancel(why)
	select {
	case err := <-served:
		if !errors.Is(err, why) {
			t.Errorf("ServeConn: %v, want the cause", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for its client")
	}
}
