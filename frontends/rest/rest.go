// Package rest serves sessions over HTTP/1.1 and HTTP/2 without TLS, for programs
// that speak neither memcached nor Redis: cron jobs, admin tools, what used an
// SDK.
//
//	s := rest.New(layer.Door("http"), rest.Options{})
//	err := s.Serve(ctx, listener)
//
// What it speaks is openapi.json, which GET /openapi.json gives, and a test holds
// true: GET, HEAD, PUT, PATCH and DELETE of /v1/sessions/{name}, and DELETE of
// /v1/sessions with a list of names. Errors are problem+json (RFC 9457); a store
// that does not answer is 503, never 404.
//
// Names of sessions are credentials: they are in the path, so nothing that logs
// requests belongs before this port.
package rest

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
)

//go:embed openapi.json
var openapi []byte

// Options of a Server. The zero value works.
type Options struct {
	// Server: of frontends' limits those count that HTTP has too: Connections,
	// Value, Idle, Command, Write, Log, Observer, Now.
	Server frontends.Options
	// Names is the longest list of names in one request: 1,000.
	Names int
}

// Server serves one Sessions on any number of listeners. It is safe for
// concurrent use.
type Server struct {
	http  *http.Server
	limit limit
}

// New makes a server.
func New(s frontends.Sessions, o Options) *Server {
	so := &o.Server
	so.Connections = cmp.Or(so.Connections, 10_000)
	so.Value = cmp.Or(so.Value, 1<<20)
	so.Idle = cmp.Or(so.Idle, time.Hour)
	so.Command = cmp.Or(so.Command, 30*time.Second)
	so.Write = cmp.Or(so.Write, 10*time.Second)
	o.Names = cmp.Or(o.Names, 1000)
	if so.Now == nil {
		so.Now = time.Now
	}
	if so.Log == nil {
		so.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{s: frontends.Observed(s, so.Observer), o: o}
	srv := &Server{limit: limit{most: so.Connections}}
	srv.http = &http.Server{
		Handler: h.routes(),
		// A client that sends slowly has as long for all of a request as one of the
		// other protocols has for a command.
		ReadHeaderTimeout: so.Command, ReadTimeout: so.Command, WriteTimeout: so.Command + so.Write, IdleTimeout: so.Idle,
		MaxHeaderBytes: 16 << 10,
		ConnState:      srv.limit.state,
		ErrorLog:       slog.NewLogLogger(quiet{so.Log.Handler()}, slog.LevelDebug), // what it says names addresses only
	}
	srv.http.Protocols = new(http.Protocols)
	srv.http.Protocols.SetHTTP1(true)
	srv.http.Protocols.SetUnencryptedHTTP2(true)
	return srv
}

// Serve accepts connections until Shutdown (nil), or until ctx ends: then it
// closes them at once and returns the cause.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { s.http.Close() })
	err := s.http.Serve(l)
	if !stop() {
		return context.Cause(ctx)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown stops accepting and lets the requests under way end; when ctx ends
// first it closes what is left, and returns the cause.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		s.http.Close()
		return context.Cause(ctx)
	}
	return nil
}

// limit closes connections for which there is no room. (net/http has no such
// limit; one that waits in accept would let others wait unseen.)
type limit struct {
	most int
	mu   sync.Mutex // guards open
	open map[net.Conn]struct{}
}

func (l *limit) state(c net.Conn, s http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s {
	case http.StateNew:
		if len(l.open) >= l.most {
			c.Close()
			return
		}
		if l.open == nil {
			l.open = map[net.Conn]struct{}{}
		}
		l.open[c] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(l.open, c)
	}
}

// quiet is a log handler one level above what net/http's errors deserve.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, _ slog.Level) bool {
	return q.Handler.Enabled(ctx, slog.LevelDebug)
}
