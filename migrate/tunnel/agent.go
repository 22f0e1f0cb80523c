package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Agent is one agent's way to one server. Addr, Name and Handler are needed.
type Agent struct {
	Addr    string // of the server: host:port
	Name    string
	Version string
	Token   func() (string, error) // asked for each connection; nil: none
	// Dial makes a connection, with TLS where the server speaks it. nil: TCP.
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	Handler http.Handler // answers the server
	// Connected is told of every change: nil, or why there is no connection. No
	// secret is in it.
	Connected func(error)
}

const (
	againFirst = 50 * time.Millisecond
	againMost  = 2 * time.Second
)

// Run keeps a connection to the server until ctx ends; what is under way then
// is cut off.
func Run(ctx context.Context, a Agent) {
	wait := againFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := a.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if a.Connected != nil {
			a.Connected(err)
		}
		if time.Since(began) > greetMost {
			wait = againFirst
		}
		// A fleet that lost its server does not come back at one instant.
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-ctx.Done():
		}
		wait = min(2*wait, againMost)
	}
}

// once makes one connection and serves it to its end.
func (a *Agent) once(ctx context.Context) error {
	dial := a.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: greetMost, KeepAlive: 15 * time.Second}).DialContext
	}
	nc, err := dial(ctx, "tcp", a.Addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	r, err := a.greet(nc)
	if err != nil {
		return err
	}
	l := newOnly(nc, r)
	if a.Connected != nil {
		a.Connected(nil)
	}
	s := &http.Server{Handler: a.Handler, Protocols: onlyHTTP2(), ReadHeaderTimeout: greetMost,
		HTTP2: &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: pingMost}}
	err = s.Serve(l)
	s.Close()
	if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("the connection to server %s has ended", a.Addr)
	}
	return err
}

// greet knocks. The reader has what the server sent after its answer.
func (a *Agent) greet(nc net.Conn) (*bufio.Reader, error) {
	nc.SetDeadline(time.Now().Add(greetMost))
	defer nc.SetDeadline(time.Time{})
	q, err := http.NewRequest(http.MethodPost, "http://"+a.Addr+Path, nil)
	if err != nil {
		return nil, err
	}
	q.Header.Set("Connection", "Upgrade")
	q.Header.Set("Upgrade", upgrade)
	q.Header.Set(headName, a.Name)
	q.Header.Set(headVersion, a.Version)
	q.Header.Set(headProtocol, strconv.Itoa(Protocol))
	if a.Token != nil {
		token, err := a.Token()
		if err != nil {
			return nil, fmt.Errorf("token: %w", err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
	}
	if err := q.Write(nc); err != nil {
		return nil, err
	}
	r := bufio.NewReader(nc)
	p, err := http.ReadResponse(r, q)
	if err != nil {
		return nil, fmt.Errorf("server %s: %w: is this the address of a crossfade server?", a.Addr, err)
	}
	if p.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(p.Body, 1<<10))
		return nil, fmt.Errorf("server %s: %s: %s", a.Addr, p.Status, strings.TrimSpace(string(text)))
	}
	return r, nil
}

// only is a listener of one connection; its end is the listener's.
type only struct {
	c    chan net.Conn
	addr net.Addr
	once sync.Once
	done chan struct{}
}

func newOnly(nc net.Conn, r *bufio.Reader) *only {
	l := &only{c: make(chan net.Conn, 1), addr: nc.LocalAddr(), done: make(chan struct{})}
	l.c <- &ended{Conn: &buffered{nc, r}, end: func() { l.Close() }}
	return l
}

func (l *only) Accept() (net.Conn, error) {
	select {
	case c := <-l.c:
		return c, nil
	default:
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *only) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *only) Addr() net.Addr { return l.addr }
