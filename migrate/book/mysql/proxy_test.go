package mysql

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is a way to a server that can be made to stand still.
type proxy struct {
	addr string
	mu   sync.RWMutex // held for writing: nothing passes
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String()}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			go p.pass(c, s)
			go p.pass(s, c)
		}
	}()
	return p
}

func (p *proxy) pass(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.RLock()
		_, werr := to.Write(buf[:n])
		p.mu.RUnlock()
		if err != nil || werr != nil {
			if err != io.EOF {
				from.Close()
			}
			return
		}
	}
}

func (p *proxy) stall(on bool) {
	if on {
		p.mu.Lock()
	} else {
		p.mu.Unlock()
	}
}
