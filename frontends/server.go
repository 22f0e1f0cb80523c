package frontends

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Protocol is how clients of one kind speak.
type Protocol interface {
	// Open makes the handler of one connection.
	Open(c *Conn) Handler
	// Full is what a client hears for which there is no room.
	Full() string
}

// Handler speaks with one client.
type Handler interface {
	// Command reads one command, carries it out, and writes the answer to the
	// Conn, after all of the command was read. It is called when at least one
	// byte has come. Any error ends the connection: ErrQuit and ErrFraming
	// after the answers were sent.
	Command(ctx context.Context) error
}

// Server serves one protocol on any number of listeners. It is safe for
// concurrent use.
type Server struct {
	protocol Protocol
	o        Options
	quit     chan struct{} // closed by the first Shutdown
	drained  chan struct{} // closed when it is over

	// mu guards what follows. Observer.Connections is called under it, so that
	// the last number told is the right one. Conn.mu comes after it.
	mu       sync.Mutex
	stopping bool
	runs     map[*run]struct{}
	conns    map[*Conn]*run
	refused  time.Time // when it was last said that there is no room
}

// run is one Serve or ServeConn.
type run struct {
	l      net.Listener // nil in ServeConn
	cancel context.CancelCauseFunc
	dead   bool // guarded by Server.mu: its context has ended
}

// numbers are those of connections: one row in all of the program.
var numbers atomic.Uint64

// ErrStopped is returned by Serve and ServeConn after Shutdown.
var ErrStopped = errors.New("frontends: server was shut down")

// New makes a server. The packages of the protocols have constructors that
// call it.
func New(p Protocol, o Options) *Server {
	return &Server{protocol: p, o: o.withDefaults(), quit: make(chan struct{}), drained: make(chan struct{}),
		runs: map[*run]struct{}{}, conns: map[*Conn]*run{}}
}

// Serve accepts connections on l and serves them, until Shutdown (it returns
// nil) or until ctx ends (it closes them at once and returns the cause). All
// of its goroutines have ended when it returns, and l is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, r, leave, err := s.begin(ctx, l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	var conns sync.WaitGroup
	err = s.accept(ctx, l, func(nc net.Conn) {
		if c := s.add(r, nc); c != nil {
			conns.Go(func() { s.serve(ctx, c) })
		}
	})
	l.Close()
	if err != nil {
		r.cancel(err)
	}
	conns.Wait()
	return leave() // err is the cause, if there is one
}

// ServeConn serves one connection that the caller has, and closes it. It
// returns when that has ended, nil unless ctx or Shutdown ended it.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	ctx, r, leave, err := s.begin(ctx, nil)
	if err != nil {
		return errors.Join(err, nc.Close())
	}
	if c := s.add(r, nc); c != nil {
		s.serve(ctx, c)
	}
	return leave()
}

// begin enters a run; leave ends it, and tells the cause if ctx ended it.
func (s *Server) begin(parent context.Context, l net.Listener) (context.Context, *run, func() error, error) {
	ctx, cancel := context.WithCancelCause(parent)
	r := &run{l: l, cancel: cancel}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		cancel(nil)
		return nil, nil, nil, ErrStopped
	}
	s.runs[r] = struct{}{}
	s.mu.Unlock()
	aborted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(aborted)
		s.abort(r)
	})
	return ctx, r, func() error {
		if !stop() {
			<-aborted
		}
		err := context.Cause(ctx)
		cancel(nil)
		s.mu.Lock()
		delete(s.runs, r)
		s.check()
		s.mu.Unlock()
		if errors.Is(err, errForced) {
			err = nil // Shutdown tells
		}
		return err
	}, nil
}

// abort closes all of a run's connections.
func (s *Server) abort(r *run) {
	if r.l != nil {
		r.l.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.dead = true
	for c, of := range s.conns {
		if of == r {
			cut(c.nc) // under mu
		}
	}
}

// add enters a connection, or closes it where there is no room; nil then.
func (s *Server) add(r *run, nc net.Conn) *Conn {
	s.mu.Lock()
	full := len(s.conns) >= s.o.Connections
	if !full && !r.dead {
		c := newConn(nc, numbers.Add(1), &s.o)
		s.conns[c] = r
		if s.stopping { // accepted in the last moment: nobody else will serve it
			c.stop()
		}
		s.tell()
		s.mu.Unlock()
		return c
	}
	s.mu.Unlock()
	if full {
		s.sayFull()
	}
	if _, secret := nc.(wrapper); full && !secret {
		// It fits into the socket's empty buffer: no wait. Through TLS it would
		// take a handshake, for which a client may let everybody wait.
		nc.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(nc, s.protocol.Full())
	}
	cut(nc)
	return nil
}

// wrapper is a connection over another one: TLS.
type wrapper interface{ NetConn() net.Conn }

// cut closes a connection without a last word: TLS would wait for a client that
// takes none.
func cut(nc net.Conn) {
	if w, ok := nc.(wrapper); ok {
		nc = w.NetConn()
	}
	nc.Close()
}

// fullEvery is how often it is said that clients are refused: they come again at
// once.
const fullEvery = time.Minute

func (s *Server) sayFull() {
	s.mu.Lock()
	now := time.Now()
	say := now.Sub(s.refused) >= fullEvery
	if say {
		s.refused = now
	}
	s.mu.Unlock()
	if say {
		s.o.Log.Warn("clients are refused: there are as many as listen.connections allows", "connections", s.o.Connections)
	}
}

func (s *Server) remove(c *Conn) {
	c.nc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.tell()
	s.check()
}

func (s *Server) tell() {
	if s.o.Observer != nil {
		s.o.Observer.Connections(len(s.conns))
	}
}

// check closes drained when nothing is left. The caller holds mu.
func (s *Server) check() {
	if s.stopping && len(s.conns) == 0 && len(s.runs) == 0 {
		select {
		case <-s.drained:
		default:
			close(s.drained)
		}
	}
}

// serve runs one connection to its end.
func (s *Server) serve(ctx context.Context, c *Conn) {
	defer s.remove(c)
	h := s.protocol.Open(c)
	err := s.commands(ctx, c, h)
	c.output.release()
	if errors.Is(err, ErrFraming) {
		c.linger()
	}
}

// commands runs one command after the other. When the client is to leave, those
// are still answered that had come by then.
func (s *Server) commands(ctx context.Context, c *Conn, h Handler) error {
	last := -1 // fills, when it was seen that the server stops
	for {
		if c.in == nil || c.in.Buffered() == 0 {
			if err := c.rest(); err != nil {
				return err
			}
		} else if c.isLeaving() {
			if last < 0 {
				last = c.fills
			}
			if c.fills != last {
				return ErrFraming // the client may be in the middle of one
			}
		}
		c.timed = false
		if err := h.Command(ctx); err != nil {
			return err
		}
	}
}

// linger reads for a moment what the client still sends: to close over unread
// input is a reset, which may overtake the answer and destroy it.
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.nc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	io.CopyN(io.Discard, c.nc, lingerBytes)
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 4 << 20
)

var errForced = errors.New("frontends: the time to drain is over")

// Shutdown stops accepting, lets the requests under way end, and closes the
// connections: one that is older than Options.Young between two commands, a
// younger one when it is that old, one that holds a lock when it was released.
// What was accepted is served. Clients that were not accepted yet stay in the
// socket's queue; where another process has the socket too, it takes them.
//
// When ctx ends first, it closes what is left, cancels the contexts of the
// commands, and returns the cause. It may be called twice.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.quit)
	}
	for r := range s.runs {
		if r.l != nil {
			r.l.Close()
		}
	}
	for c := range s.conns {
		c.stop()
	}
	s.check()
	s.mu.Unlock()
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for r := range s.runs {
		r.cancel(errForced)
	}
	s.mu.Unlock()
	return context.Cause(ctx)
}
