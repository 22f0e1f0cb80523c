package pair_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// gate stands before a memcached: connections can be held where they are, and a
// gate can be closed while the server behind it goes on.
type gate struct {
	to      string
	refuses []string // first lines of a connection that are answered ERROR, by their beginnings

	mu    sync.Mutex // guards what follows
	l     net.Listener
	addr  string
	conns map[net.Conn]bool
	held  chan struct{} // closed: what waits goes on; nil: nothing is held
	wg    sync.WaitGroup
}

func newGate(t *testing.T, to string, refuses ...string) *gate {
	t.Helper()
	g := &gate{to: to, refuses: refuses, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	g.open(t)
	t.Cleanup(func() { g.release(); g.close(); g.wg.Wait() })
	return g
}

func (g *gate) open(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	g.l, g.addr = l, l.Addr().String()
	g.mu.Unlock()
	g.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			g.wg.Go(func() { g.serve(nc) })
		}
	})
}

// close ends all connections, and refuses new ones.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.l.Close()
	for nc := range g.conns {
		nc.Close()
	}
}

// hold keeps back what clients send on the connections that there are.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = make(chan struct{})
	for nc := range g.conns {
		g.conns[nc] = true
	}
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		close(g.held)
	}
	g.held = nil
}

// waits is what a connection waits for before it sends on.
func (g *gate) waits(nc net.Conn) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns[nc] {
		return g.held
	}
	return nil
}

func (g *gate) serve(nc net.Conn) {
	defer nc.Close()
	g.mu.Lock()
	g.conns[nc] = false
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.conns, nc)
		g.mu.Unlock()
	}()
	br := bufio.NewReader(nc)
	if len(g.refuses) > 0 {
		line, err := br.ReadString('\n')
		for _, r := range g.refuses {
			if err != nil || strings.HasPrefix(line, r) {
				io.WriteString(nc, "ERROR\r\n")
				return
			}
		}
		br = bufio.NewReader(io.MultiReader(strings.NewReader(line), br))
	}
	back, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer back.Close()
	g.wg.Go(func() {
		io.Copy(nc, back)
		nc.Close()
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := br.Read(buf)
		if held := g.waits(nc); held != nil {
			<-held
		}
		if n > 0 {
			back.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}
