package memcached

import (
	"bufio"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// fake is a server that does what a script says. It greets by itself, on as
// many connections as are dialled.
type fake struct {
	t      *testing.T
	script func(f *fake, n int, nc net.Conn, br *bufio.Reader) // n counts the connections that were greeted
	wg     sync.WaitGroup

	mu    sync.Mutex
	open  []net.Conn // guarded by mu
	count int        // guarded by mu
}

const fakeStats = "STAT pid 7\r\nSTAT uptime 5\r\nSTAT time 1005\r\nSTAT version 1.6.18\r\nEND\r\n"

// newFake makes a store in front of a fake server.
func newFake(t *testing.T, o Options, script func(f *fake, n int, nc net.Conn, br *bufio.Reader)) (*Store, *fake) {
	f := &fake{t: t, script: script}
	o.Dial = func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		f.mu.Lock()
		f.open = append(f.open, there)
		f.mu.Unlock()
		f.wg.Go(func() { f.serve(there) })
		return here, nil
	}
	s := New("", o)
	t.Cleanup(func() {
		s.Close()
		f.mu.Lock()
		for _, nc := range f.open {
			nc.Close()
		}
		f.mu.Unlock()
		f.wg.Wait()
	})
	return s, f
}

func (f *fake) serve(nc net.Conn) {
	defer nc.Close()
	br := bufio.NewReader(nc)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		switch strings.TrimSpace(line) {
		case "mn":
			nc.Write([]byte("MN\r\n"))
		case "stats":
			nc.Write([]byte(fakeStats))
		case "stats settings":
			nc.Write([]byte("END\r\n"))
			f.mu.Lock()
			f.count++
			n := f.count
			f.mu.Unlock()
			f.script(f, n, nc, br)
			return
		default:
			f.t.Errorf("before the greeting: %q", line)
			return
		}
	}
}

// skip reads n lines.
func skip(br *bufio.Reader, n int) bool {
	for range n {
		if _, err := br.ReadString('\n'); err != nil {
			return false
		}
	}
	return true
}

// drain reads until the connection ends.
func drain(br *bufio.Reader) {
	for skip(br, 1) {
	}
}

// unsure wants an Unknown of a change. What a busy machine has not sent in time is
// tried again, with more.
func unsure(t *testing.T, change func(context.Context) error) *backends.Unknown {
	t.Helper()
	var err error
	for _, d := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 10 * time.Second} {
		err = change(within(t, d))
		if u, unknown := backends.IsUnknown(err); unknown {
			return u
		}
	}
	t.Fatalf("got %v, want an Unknown", err)
	return nil
}

func key(name string) backends.Key { return backends.Key{Name: name} }

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
