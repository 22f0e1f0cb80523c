package storytest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/seed-41165957/crossfade/backends/backendtest"
)

// proxy stands before one server. All agents have its address, as they must
// have one configuration; it tells them apart by whose process has connected,
// so that the way of one agent can be broken and that of others not.
type proxy struct {
	at      string
	who     *who
	workers sync.WaitGroup

	mu    sync.Mutex          // guards what follows
	l     net.Listener        // nil: connections are refused
	to    string              // the server
	ways  map[string]*way     // that are broken, by agent
	conns map[net.Conn]string // of clients: whose, where that was looked up
}

// nobody has looked yet whose connection it is.
const nobody = "?"

// way is what an agent's connections meet.
type way struct {
	reset bool
	stall chan struct{} // not nil: nothing passes until it is closed
}

func newProxy(t testing.TB, to string, who *who) *proxy {
	t.Helper()
	p := &proxy{at: backendtest.FreeAddr(t), to: to, who: who, ways: map[string]*way{}, conns: map[net.Conn]string{}}
	p.listen(t)
	t.Cleanup(p.stop)
	return p
}

// listen accepts connections, as a server that is there does.
func (p *proxy) listen(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", p.at)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.l = l
	p.mu.Unlock()
	p.workers.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				p.workers.Go(func() { p.serve(c) })
			}
		}
	})
}

// refuse answers nobody: the server is dead, its host is not.
func (p *proxy) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.l.Close()
	for c := range p.conns {
		abort(c)
	}
}

func (p *proxy) addr() string { return p.at }

// stop ends it; who uses it has ended.
func (p *proxy) stop() {
	p.mu.Lock()
	p.l.Close()
	for name, w := range p.ways {
		w.heal()
		delete(p.ways, name)
	}
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.workers.Wait()
}

func (w *way) heal() {
	w.reset = false
	if w.stall != nil {
		close(w.stall)
		w.stall = nil
	}
}

// way is an agent's from now on. The caller holds mu.
func (p *proxy) way(agent string) *way {
	w := p.ways[agent]
	if w == nil {
		w = &way{}
		p.ways[agent] = w
		p.look()
	}
	return w
}

// look finds out whose the connections are. The caller holds mu.
func (p *proxy) look() {
	var of []net.Conn
	for c, agent := range p.conns {
		if agent == nobody {
			of = append(of, c)
		}
	}
	for i, name := range p.who.opened(of) {
		p.conns[of[i]] = name
	}
}

// met is the way that a client's connection meets; nil: an open one.
func (p *proxy) met(client net.Conn) *way {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.ways) == 0 {
		return nil
	}
	if p.conns[client] == nobody {
		p.look()
	}
	if w := p.ways[p.conns[client]]; w != nil {
		c := *w
		return &c
	}
	return nil
}

// stall lets nothing of an agent pass, and keeps its connections open; what was
// sent meanwhile arrives when it is healed.
func (p *proxy) stall(agent string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.way(agent); w.stall == nil {
		w.stall = make(chan struct{})
	}
}

// reset breaks an agent's connections, and each new one.
func (p *proxy) reset(agent string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.way(agent).reset = true
	for c, of := range p.conns {
		if of == agent {
			abort(c)
		}
	}
}

func (p *proxy) heal(agent string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.ways[agent]; w != nil {
		w.heal()
		delete(p.ways, agent)
	}
}

// lead points it at another server, as a name whose address changes does. Open
// connections are broken where cut is set; else they stay with the old one.
func (p *proxy) lead(to string, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
	if cut {
		for c := range p.conns {
			abort(c)
		}
	}
}

// abort ends a connection by RST, as a host that is gone and back does.
func abort(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	to := p.to
	p.conns[client] = nobody
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
	}()
	if w := p.met(client); w != nil && w.reset {
		abort(client)
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		abort(client)
		return
	}
	defer server.Close()
	var answers sync.WaitGroup
	answers.Go(func() { p.pass(client, server, client); client.Close() })
	p.pass(server, client, client)
	server.Close()
	answers.Wait()
}

func (p *proxy) pass(to io.Writer, from io.Reader, client net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if w := p.met(client); w != nil && w.stall != nil {
			<-w.stall
		}
		if _, e := to.Write(b[:n]); err != nil || e != nil {
			return
		}
	}
}
