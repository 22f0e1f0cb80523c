package backends

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// Peer is one connection to a server, as the server tells.
type Peer struct {
	Addr string `json:"addr"`           // of the client: ip:port
	Name string `json:"name,omitempty"` // the client's own name, or its database user
}

// Peerer is a store whose servers tell who is connected to them: who goes past
// the layer is found by it. Connections without a TCP address are left out.
type Peerer interface {
	// Peers are all connections to the servers, and the addresses of those that
	// are this Store's own. Behind a proxy or a translated address they do not
	// match.
	Peers(ctx context.Context) (all []Peer, own []string, err error)
}

// Dialed remembers the local addresses of connections while they are open. The
// zero value works. It is safe for concurrent use.
type Dialed struct {
	mu   sync.Mutex // guards open
	open map[string]struct{}
}

// Track remembers a connection until it is closed. One without a TCP address is
// given back as it is.
func (d *Dialed) Track(c net.Conn) net.Conn {
	if c == nil || c.LocalAddr() == nil || c.LocalAddr().Network() != "tcp" {
		return c
	}
	addr := c.LocalAddr().String()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open = map[string]struct{}{}
	}
	d.open[addr] = struct{}{}
	return &tracked{Conn: c, d: d, addr: addr}
}

// Addrs are the local addresses of the connections that are open.
func (d *Dialed) Addrs() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]string, 0, len(d.open))
	for a := range d.open {
		out = append(out, a)
	}
	return out
}

type tracked struct {
	net.Conn
	d    *Dialed
	addr string
	once sync.Once
}

func (t *tracked) Close() error {
	err := t.Conn.Close()
	t.once.Do(func() {
		t.d.mu.Lock()
		defer t.d.mu.Unlock()
		delete(t.d.open, t.addr)
	})
	return err
}

// SyscallConn lets a driver look at the socket.
func (t *tracked) SyscallConn() (syscall.RawConn, error) {
	if c, ok := t.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, syscall.ENOTSUP
}
