package watchtest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
)

// proxy stands between the agents and one store's server, and breaks the way.
type proxy struct {
	l       net.Listener
	to      string
	workers sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]bool
	delay  time.Duration
	refuse bool
	stall  chan struct{} // not nil: nothing passes until it is closed
	closed bool
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", backendtest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to, conns: map[net.Conn]bool{}}
	p.workers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.workers.Go(func() { p.serve(c) })
		}
	})
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

// stop ends it; the agents must have ended.
func (p *proxy) stop() {
	p.heal()
	p.l.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.workers.Wait()
}

// slow lets every packet to the server wait.
func (p *proxy) slow(d time.Duration) { p.mu.Lock(); p.delay = d; p.mu.Unlock() }

// freeze lets nothing pass, and keeps connections open.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stall == nil {
		p.stall = make(chan struct{})
	}
}

// cut closes every connection, and every new one.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = true
	for c := range p.conns {
		c.Close()
	}
}

// heal ends all of these.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.refuse = 0, false
	if p.stall != nil {
		close(p.stall)
		p.stall = nil
	}
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	if p.refuse || p.closed {
		p.mu.Unlock()
		return
	}
	p.conns[client], p.conns[server] = true, true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, client)
		delete(p.conns, server)
		p.mu.Unlock()
	}()
	var answers sync.WaitGroup
	answers.Go(func() { p.pass(client, server, false); client.Close() })
	p.pass(server, client, true)
	server.Close()
	answers.Wait()
}

func (p *proxy) pass(to, from net.Conn, asks bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		delay, stall := p.delay, p.stall
		p.mu.Unlock()
		if asks {
			time.Sleep(delay)
		}
		if stall != nil {
			<-stall
		}
		if _, e := to.Write(b[:n]); err != nil || e != nil {
			return
		}
	}
}
