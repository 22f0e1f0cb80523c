// Package tunnel lets a server ask agents that it cannot dial. The agent dials,
// says who it is, and from then on is the HTTP server on that connection:
// HTTP/2, so that many questions share it, each with its own deadline.
//
//	// the agent
//	err := tunnel.Run(ctx, tunnel.Agent{Addr: "10.0.0.5:9310", Name: "web-17", Handler: admin})
//
//	// the server, in its handler of tunnel.Path
//	t, hello, err := tunnel.Accept(w, r)
//	c, err := agentapi.NewClient("web-17", agentapi.ClientOptions{Transport: t})
//
// A connection that is silent is asked (HTTP/2 PING) after 2 s and taken for
// dead 3 s later, on both sides.
package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// Path is where an agent knocks.
	Path = "/v1/agents/connect"
	// Protocol is what this version speaks; Oldest, what it still understands.
	Protocol, Oldest = 1, 1

	upgrade      = "crossfade-agent"
	greetMost    = 5 * time.Second
	silence      = 2 * time.Second
	pingMost     = 3 * time.Second
	headName     = "Crossfade-Agent"
	headVersion  = "Crossfade-Version"
	headProtocol = "Crossfade-Protocol"
)

// Hello is what an agent says of itself when it knocks.
type Hello struct {
	Name     string
	Version  string
	Protocol int
}

// Tunnel is a connection from an agent. It is an http.RoundTripper; the address
// in a request does not matter. Safe for concurrent use.
type Tunnel struct {
	*http.Transport
	conn net.Conn
	once sync.Once
	done chan struct{}
}

// Done is closed when the connection has ended.
func (t *Tunnel) Done() <-chan struct{} { return t.done }

// Close ends the connection.
func (t *Tunnel) Close() error { return t.conn.Close() }

// ErrGone is why a request cannot be made any more.
var ErrGone = errors.New("tunnel: the agent's connection has ended")

// Accept answers an agent that knocks, and takes the connection over. An error
// was told to the agent.
func Accept(w http.ResponseWriter, r *http.Request) (*Tunnel, Hello, error) {
	h := Hello{Name: r.Header.Get(headName), Version: r.Header.Get(headVersion)}
	h.Protocol, _ = strconv.Atoi(r.Header.Get(headProtocol))
	refuse := func(code int, text string) (*Tunnel, Hello, error) {
		http.Error(w, text, code)
		return nil, h, errors.New("tunnel: " + text)
	}
	if r.Header.Get("Upgrade") != upgrade {
		return refuse(http.StatusUpgradeRequired, "this is where agents connect")
	}
	if h.Protocol < Oldest {
		return refuse(http.StatusUpgradeRequired, fmt.Sprintf("the agent speaks protocol %d, this server %d to %d: update the agent", h.Protocol, Oldest, Protocol))
	}
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return refuse(http.StatusInternalServerError, "the connection cannot be taken over")
	}
	conn.SetDeadline(time.Time{})
	t := &Tunnel{done: make(chan struct{})}
	t.conn = &ended{Conn: &buffered{conn, buf.Reader}, end: func() { t.once.Do(func() { close(t.done) }) }}
	if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+upgrade+"\r\n\r\n"); err != nil {
		conn.Close()
		return nil, h, fmt.Errorf("tunnel: %w", err)
	}
	var used sync.Once
	t.Transport = &http.Transport{
		Protocols: onlyHTTP2(),
		// There is one connection: who finds it full waits.
		HTTP2:           &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: pingMost, StrictMaxConcurrentRequests: true},
		MaxConnsPerHost: 1,
		DialContext: func(context.Context, string, string) (c net.Conn, err error) {
			err = ErrGone
			used.Do(func() { c, err = t.conn, nil })
			return c, err
		},
	}
	return t, h, nil
}

func onlyHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

// ended tells when a connection is closed.
type ended struct {
	net.Conn
	end func()
}

func (c *ended) Close() error {
	defer c.end()
	return c.Conn.Close()
}

// Read ends the connection when there is nothing more to come.
func (c *ended) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			c.end()
		}
	}
	return n, err
}

// buffered gives first what was read ahead.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (c *buffered) Read(p []byte) (int, error) {
	if c.r.Buffered() > 0 {
		return c.r.Read(p[:min(len(p), c.r.Buffered())])
	}
	return c.Conn.Read(p)
}
