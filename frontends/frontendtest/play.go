package frontendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
)

// Play serves one client that sends these packets and hangs up, and gives all
// answers. A packet is never read together with the next one.
func Play(tb testing.TB, s *frontends.Server, packets ...string) string {
	tb.Helper()
	c := NewConn(packets...)
	if err := s.ServeConn(context.Background(), c); err != nil {
		tb.Errorf("ServeConn: %v", err)
	}
	return c.Answers()
}

// Bytewise gives each byte as a packet of its own.
func Bytewise(stream string) []string {
	packets := make([]string, len(stream))
	for i := range packets {
		packets[i] = stream[i : i+1]
	}
	return packets
}

// Conn is a client that is played from packets. It has no deadlines.
type Conn struct {
	net.Conn
	packets []string

	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
	// Writes is how often answers were sent; read it after the connection.
	Writes int
}

// NewConn makes a client that sends the packets and hangs up.
func NewConn(packets ...string) *Conn { return &Conn{packets: packets} }

// Answers are all that the client was sent.
func (c *Conn) Answers() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

func (c *Conn) Read(p []byte) (int, error) {
	for len(c.packets) > 0 && c.packets[0] == "" {
		c.packets = c.packets[1:]
	}
	if len(c.packets) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.packets[0])
	c.packets[0] = c.packets[0][n:]
	return n, nil
}

func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Writes++
	return c.out.Write(p)
}

// Close implements net.Conn.
func (c *Conn) Close() error { return nil }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Ask sends one packet to a real server, hangs up its side, and gives all
// answers.
func Ask(tb testing.TB, addr, stream string) string {
	tb.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { // large streams: the server may answer before it has read all
		io.WriteString(nc, stream)
		nc.(*net.TCPConn).CloseWrite()
	}()
	b, err := io.ReadAll(nc)
	// A server that closes over unread input resets.
	var reset *net.OpError
	if err != nil && !errors.As(err, &reset) {
		tb.Fatal(err)
	}
	return string(b)
}

// Start serves on a loopback port until the test ends, and gives the address.
func Start(tb testing.TB, s *frontends.Server) string {
	tb.Helper()
	l, err := frontends.Listen(context.Background(), "127.0.0.1:0", frontends.ListenOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}
