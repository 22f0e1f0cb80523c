package stream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a call of the tests: one line there, the same line back.
type echo struct {
	f       stream.Flight
	say     string
	changes bool
	got     string
}

func newEcho(say string, changes bool) *echo {
	e := &echo{say: say, changes: changes}
	e.f = stream.NewFlight(e)
	return e
}

func (e *echo) Flight() *stream.Flight   { return &e.f }
func (e *echo) AppendTo(b []byte) []byte { return append(append(b, e.say...), '\n') }
func (e *echo) Size() int                { return len(e.say) + 1 }
func (e *echo) Changes() bool            { return e.changes }
func (e *echo) Free()                    {}
func (e *echo) Read(br *bufio.Reader, left bool) error {
	line, err := br.ReadString('\n')
	if !left {
		e.got = strings.TrimSuffix(line, "\n")
	}
	return err
}

// server answers each line with itself, but for what is held back.
type server struct {
	t  *testing.T
	l  net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	heard []string
	gate  chan struct{} // not nil: no answer passes until it is closed
}

func newServer(t *testing.T) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, l: l}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.open()
		s.cut()
		s.wg.Wait()
	})
	return s
}

func (s *server) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(c)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		s.mu.Lock()
		s.heard = append(s.heard, strings.TrimSuffix(line, "\n"))
		gate := s.gate
		s.mu.Unlock()
		if gate != nil {
			<-gate
		}
		if _, err := c.Write([]byte(line)); err != nil {
			return
		}
	}
}

// hold keeps every answer back until open.
func (s *server) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = make(chan struct{})
}

func (s *server) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		close(s.gate)
		s.gate = nil
	}
}

// cut closes all connections.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *server) accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *server) pool(change func(*stream.Pool)) *stream.Pool {
	p := &stream.Pool{Product: "echo", Conns: 1, MaxConns: 3, InFlight: 100, Queued: 1 << 20, DialTimeout: 10 * time.Second,
		Connect: func(ctx context.Context) (*stream.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, "tcp", s.l.Addr().String())
			if err != nil {
				return nil, err
			}
			return stream.NewConn(nc, bufio.NewReader(nc), nc.LocalAddr().String(), "run"), nil
		},
		Unknown: func(cause error, conn, runID string) *backends.Unknown {
			return backends.NewUnknown(cause, conn, runID, func(context.Context) error { return errors.New("nobody knows") })
		}}
	if change != nil {
		change(p)
	}
	p = stream.New(p)
	s.t.Cleanup(p.Close)
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestShared: many callers, few connections, and each has his own answer.
func TestShared(t *testing.T) {
	s := newServer(t)
	p := s.pool(nil)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for n := range 50 {
				e := newEcho(fmt.Sprintf("%d-%d", i, n), n%2 == 0)
				if err := p.Do(within(t, 30*time.Second), e); err != nil || e.got != e.say {
					t.Errorf("%s: got %q, %v", e.say, e.got, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := s.accepted(); n > 2 {
		t.Errorf("%d connections for calls that one carries", n)
	}
}

// TestLate: a call whose deadline passes leaves its place in the stream. Others
// go on over another connection; the late answer ends the doubt, is given to
// nobody else, and brings the connection back.
func TestLate(t *testing.T) {
	s := newServer(t)
	p := s.pool(nil)
	if err := p.Do(within(t, 10*time.Second), newEcho("first", false)); err != nil {
		t.Fatal(err)
	}
	s.hold()
	late := newEcho("late", true)
	err := p.Do(within(t, 50*time.Millisecond), late)
	u, unknown := backends.IsUnknown(err)
	if !unknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a change without an answer: %v", err)
	}
	if read := p.Do(within(t, 50*time.Millisecond), newEcho("read", false)); read == nil {
		t.Error("a read without an answer was answered")
	} else if _, is := backends.IsUnknown(read); is {
		t.Error("a read is unknown")
	}
	if open, parked := p.Count(); parked == 0 || open < 2 {
		t.Errorf("%d open, %d parked: nothing is parked, or nobody dialled", open, parked)
	}
	select {
	case <-u.Done():
		t.Fatal("the doubt has ended, and the answer is on its way")
	default:
	}
	s.open()
	select {
	case <-u.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the late answer came, and the doubt stays")
	}
	for i := range 20 {
		e := newEcho(fmt.Sprint("after ", i), true)
		if err := p.Do(within(t, 10*time.Second), e); err != nil || e.got != e.say {
			t.Fatalf("%s: got %q, %v", e.say, e.got, err)
		}
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, parked := p.Count(); parked == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a connection whose answers have come stays parked")
		}
	}
	if late.got != "" {
		t.Error("the late answer was given to who had left")
	}
}

// TestDeadlines: with a context of the layer's kind, which has no timer, each
// call ends at its own deadline, also one that is shorter than those before it.
func TestDeadlines(t *testing.T) {
	s := newServer(t)
	p := s.pool(func(p *stream.Pool) { p.MaxConns = 1 })
	if err := p.Do(within(t, 10*time.Second), newEcho("first", false)); err != nil {
		t.Fatal(err)
	}
	s.hold()
	do := func(d time.Duration) (took time.Duration, err error) {
		var u backends.Until
		began := time.Now()
		u.Begin(t.Context(), began.Add(d))
		err = p.Do(&u, newEcho(d.String(), false))
		u.End()
		return time.Since(began), err
	}
	var patient, hasty sync.WaitGroup
	patient.Go(func() {
		if _, err := do(5 * time.Minute); err != nil {
			t.Errorf("the answer came in time: %v", err)
		}
	})
	for end := time.Now().Add(30 * time.Second); p.List()[0].Load() < 1 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for _, d := range []time.Duration{500 * time.Millisecond, 200 * time.Millisecond, 800 * time.Millisecond} {
		hasty.Go(func() {
			if took, err := do(d); !errors.Is(err, context.DeadlineExceeded) || took < d || took > d+time.Minute {
				t.Errorf("a deadline of %v: %v after %v", d, err, took)
			}
		})
	}
	hasty.Wait()
	s.open()
	patient.Wait()
}

// TestCut: a connection that ends leaves changes in doubt that were sent, and
// nothing else; the next call dials.
func TestCut(t *testing.T) {
	s := newServer(t)
	p := s.pool(nil)
	if err := p.Do(within(t, 10*time.Second), newEcho("first", false)); err != nil {
		t.Fatal(err)
	}
	s.hold()
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, changes := range []bool{true, false} {
		wg.Go(func() { errs[i] = p.Do(within(t, 30*time.Second), newEcho(fmt.Sprint(changes), changes)) })
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) { // both are on the connection
		if l := p.List(); len(l) == 1 && l[0].Load() == 2 || time.Now().After(end) {
			break
		}
	}
	time.Sleep(50 * time.Millisecond) // and have left it
	s.cut()
	s.open()
	wg.Wait()
	if _, unknown := backends.IsUnknown(errs[0]); !unknown {
		t.Errorf("a change on a connection that was cut: %v, want an Unknown", errs[0])
	}
	if _, unknown := backends.IsUnknown(errs[1]); unknown || !errors.Is(errs[1], stream.ErrLost) {
		t.Errorf("a read on a connection that was cut: %v, want ErrLost", errs[1])
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		e := newEcho("again", true)
		if err := p.Do(within(t, 10*time.Second), e); err == nil && e.got == "again" {
			return
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestBounds: what does not fit is refused with nothing sent.
func TestBounds(t *testing.T) {
	s := newServer(t)
	p := s.pool(func(p *stream.Pool) { p.InFlight, p.MaxConns = 2, 1 })
	if err := p.Do(within(t, 10*time.Second), newEcho("first", false)); err != nil {
		t.Fatal(err)
	}
	s.hold()
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			if err := p.Do(within(t, 30*time.Second), newEcho(fmt.Sprint("held ", i), true)); err != nil {
				t.Error(err)
			}
		})
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if l := p.List(); len(l) == 1 && l[0].Load() == 2 || time.Now().After(end) {
			break
		}
	}
	if err := p.Do(within(t, 10*time.Second), newEcho("one too many", true)); !errors.Is(err, backends.ErrBusy) {
		t.Errorf("one too many: %v, want ErrBusy", err)
	}
	s.open()
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.heard {
		if line == "one too many" {
			t.Error("what was refused was sent")
		}
	}
}
