package redis_test

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// proxy stands between a store and its server. A packet to the server that
// holds the word of hold waits, and all that follow it on its connection, until
// it is let go: a call that was sent and has not arrived.
type proxy struct {
	net.Listener
	to      string
	word    []byte
	letGo   chan struct{}
	workers sync.WaitGroup

	mu      sync.Mutex
	conns   []net.Conn // guarded by mu
	clients []net.Conn // guarded by mu
}

func hold(t *testing.T, to, word string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to, word: []byte(word), letGo: make(chan struct{})}
	p.workers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.workers.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.release()
		p.hangUp()
		p.mu.Lock()
		for _, c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.workers.Wait()
	})
	return p
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.letGo:
	default:
		close(p.letGo)
	}
}

// hangUp closes the connections that clients have, and not those to the server.
func (p *proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.Close()
	}
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, server)
	p.clients = append(p.clients, client)
	p.mu.Unlock()
	var answers sync.WaitGroup
	answers.Go(func() {
		copyAll(client, server, func([]byte) {})
		client.Close()
	})
	copyAll(server, client, func(b []byte) {
		if bytes.Contains(b, p.word) {
			<-p.letGo
		}
	})
	server.Close()
	answers.Wait()
}

func copyAll(to, from net.Conn, look func([]byte)) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		look(b[:n])
		if _, e := to.Write(b[:n]); err != nil || e != nil {
			return
		}
	}
}
