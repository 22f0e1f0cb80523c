package socket_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/socket"
)

// pair is two ends of one connection.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

func of(t *testing.T, nc net.Conn) *socket.Socket {
	t.Helper()
	s := socket.Of(nc)
	if s == nil && runtime.GOOS != "linux" {
		t.Skip("this system has no direct sockets: net.Conn is used")
	}
	if s == nil {
		t.Fatalf("%T is not used directly: each call wakes sysmon", nc)
	}
	return s
}

// TestTracked: what stores wrap their connections in does not hide the socket.
// All works without it, at twice the processor time.
func TestTracked(t *testing.T) {
	a, b := pair(t)
	var d backends.Dialed
	s := of(t, d.Track(a))
	if _, err := s.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	if n, err := of(t, b).Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

// TestThrough: more than any buffer of the system's, both ways at once, whole
// and in order; then the end.
func TestThrough(t *testing.T) {
	a, b := pair(t)
	sa, sb := of(t, a), of(t, b)
	want := make([]byte, 32<<20)
	rand.Read(want)
	failed := make(chan error, 2)
	for _, s := range []*socket.Socket{sa, sb} {
		go func() {
			n, err := s.Write(want)
			if err == nil && n != len(want) {
				err = io.ErrShortWrite
			}
			failed <- err
		}()
	}
	got := make(chan []byte, 2)
	for _, s := range []*socket.Socket{sa, sb} {
		go func() {
			buf := make([]byte, len(want))
			n, _ := io.ReadFull(s, buf)
			got <- buf[:n]
		}()
	}
	for range 2 {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(<-got, want) {
			t.Fatal("something else arrived")
		}
	}
	a.Close()
	if n, err := sb.Read(make([]byte, 8)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// TestWriteNow writes what fits, and never waits.
func TestWriteNow(t *testing.T) {
	a, b := pair(t)
	sa, sb := of(t, a), of(t, b)
	data := make([]byte, 64<<20) // no system has that much room
	n, err := sa.WriteNow(data)
	if err != nil || n == 0 || n == len(data) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if more, err := sa.WriteNow(data[:8]); more != 0 || err != nil {
		t.Fatalf("a full socket took %d, %v", more, err)
	}
	if _, err := io.CopyN(io.Discard, sb, int64(n)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	for end := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(end); {
		_, err = sa.WriteNow(data[:8])
	}
	if err == nil || errors.Is(err, socket.ErrNothing) {
		t.Errorf("a closed peer: %v", err)
	}
}

// TestDeadlines: those of the connection hold, in both directions, and can be
// moved.
func TestDeadlines(t *testing.T) {
	a, b := pair(t)
	sa, sb := of(t, a), of(t, b)
	a.SetDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := sa.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read without an answer: %v", err)
	}
	n, err := sa.Write(make([]byte, 64<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write that nobody reads: %d, %v", n, err)
	}
	a.SetDeadline(time.Now().Add(time.Minute))
	b.Write([]byte("later"))
	buf := make([]byte, 8)
	if n, err := sa.Read(buf); err != nil || string(buf[:n]) != "later" {
		t.Errorf("with a new deadline: %q, %v", buf[:n], err)
	}
	go b.Close() // before the read or while it waits: it ends
	if _, err := io.Copy(io.Discard, sb); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while it is read: %v", err)
	}
}

// TestNone: what is not a bare socket is left alone.
func TestNone(t *testing.T) {
	a, _ := net.Pipe()
	defer a.Close()
	if socket.Of(a) != nil {
		t.Error("a pipe in memory is no socket")
	}
	if _, err := socket.ReadNow(^uintptr(0), make([]byte, 1)); err == nil {
		t.Error("no file was read from")
	}
}

// TestAllocations: none for a read, a write and a look.
func TestAllocations(t *testing.T) {
	a, b := pair(t)
	sa, sb := of(t, a), of(t, b)
	buf, word := make([]byte, 64), []byte("hello")
	if n := testing.AllocsPerRun(100, func() {
		sa.Write(word)
		sb.Read(buf)
		sb.WriteNow(word)
		sa.Read(buf)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
