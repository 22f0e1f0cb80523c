package agent

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// splicer connects each client with a connection of its own to one server.
type splicer struct {
	network, addr string
	dial          time.Duration
	log           *slog.Logger

	mu    sync.Mutex
	conns map[net.Conn]time.Time // guarded by mu: clients, and since when
	all   sync.WaitGroup
}

// young is how old a client's connection is at the most to count as one
// request (frontends.Options.Young).
const young = time.Second

// open is how many clients are connected.
func (s *splicer) open() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.conns))
}

// serve accepts until l is closed.
func (s *splicer) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // want of files or memory passes
			s.log.Warn("accepting connections fails, and goes on when it can", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		s.mu.Lock()
		if s.conns == nil {
			s.conns = map[net.Conn]time.Time{}
		}
		s.conns[c] = time.Now()
		s.all.Add(1)
		s.mu.Unlock()
		go s.splice(c)
	}
}

// splice carries bytes until both sides have said all, or one is gone. A client
// for whom old has no connection is closed: what it would have met without us.
func (s *splicer) splice(client net.Conn) {
	defer s.all.Done()
	defer func() {
		client.Close()
		s.mu.Lock()
		delete(s.conns, client)
		s.mu.Unlock()
	}()
	server, err := net.DialTimeout(s.network, s.addr, s.dial)
	if err != nil {
		s.log.Warn("old takes no connection", "error", err)
		return
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(server, client)
		server.(interface{ CloseWrite() error }).CloseWrite()
	}()
	io.Copy(client, server)
	// Old has said all and closed: what the client still sends nobody reads.
	client.Close()
	<-done
}

// drain lets requests under way end, as frontends' Shutdown does; nobody knows
// here where one ends, so what is young counts as one. Every serve must have
// returned.
func (s *splicer) drain(most time.Duration) {
	s.mu.Lock()
	for c, began := range s.conns {
		until := began.Add(young)
		if soon := time.Now().Add(young / 10); until.Before(soon) {
			until = soon
		}
		c.SetReadDeadline(until)
	}
	s.mu.Unlock()
	force := time.AfterFunc(most, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			c.Close()
		}
	})
	defer force.Stop()
	s.all.Wait()
}
