// Package server is the control plane's process: the book that the configuration
// names, the server over it, its port and its metrics.
//
//	err := server.Run(ctx, cfg, server.Options{Version: version, Migration: opt, Log: log})
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/cmd/crossfade/systemd"
	"github.com/seed-41165957/crossfade/dashboard/console"
	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/access"
	"github.com/seed-41165957/crossfade/migrate/audit"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/files"
	"github.com/seed-41165957/crossfade/migrate/book/mysql"
	"github.com/seed-41165957/crossfade/migrate/certs"
	"github.com/seed-41165957/crossfade/migrate/control"
	"github.com/seed-41165957/crossfade/migrate/plan"
	"github.com/seed-41165957/crossfade/migrate/webhook"
)

// Options of Run. Migration is needed, without its book.
type Options struct {
	Version   string
	Migration migrate.Options
	Log       *slog.Logger
	Metrics   *metrics.Metrics // if nil, are made
	// ConsoleDir is a folder with the console's files, read with each request, for
	// who works on them; empty: those that are embedded.
	ConsoleDir string
	// Listening is told the address, once the port is open.
	Listening func(addr string)
}

// Run is one server, from its configuration to its end.
func Run(ctx context.Context, c *config.Config, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.New(c.Migration, o.Version)
	}
	b, err := openBook(ctx, c)
	if err != nil {
		return err
	}
	defer b.Close()
	o.Migration.Book = b
	co := control.Options{Name: c.Server.Name, Version: o.Version, Migration: o.Migration, KeepOld: c.Cutover.KeepOld.Std(), Synthetic: c.Server.Synthetic.Std(), Log: o.Log}
	if co.PlanAuto = c.Server.PlanAuto; c.Server.Plan != "" {
		if co.Plan, err = plan.Load(c.Server.Plan); err != nil {
			return fmt.Errorf("server.plan: %w", err)
		}
	}
	if c.Server.TokenFile.Set() {
		if co.Token, err = c.Server.TokenFile.Read(); err != nil {
			return err
		}
	}
	if c.Server.UsersFile != "" {
		if co.People, err = access.OpenPeople(c.Server.UsersFile, func(err error) {
			o.Log.Error("the file of people cannot be read again", "component", "server", "error", err)
		}); err != nil {
			return fmt.Errorf("server.users_file: %w", err)
		}
	}
	var hooks []*webhook.Hook
	for _, w := range c.Server.Webhooks {
		hooks = append(hooks, webhook.New(webhook.Options{URL: w.URL, Secret: w.SecretFile.Read, Verbs: w.Events, Log: o.Log.With("component", "webhook")}))
	}
	co.Migration.Told = func(e audit.Entry) {
		for _, h := range hooks {
			h.Send(e)
		}
	}
	s, err := control.New(co)
	if err != nil {
		return err
	}
	o.Metrics.WatchFleet(c.Migration, func() (metrics.Fleet, bool) {
		v, ok := s.Watched()
		return parts.Fleet(v), ok
	})
	l, err := listen(c, o.Log)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.Metrics.Handler())
	page := console.New(console.Options{Migration: c.Migration, Version: o.Version, Dir: o.ConsoleDir})
	mux.Handle("GET /{$}", page)
	mux.Handle("GET /assets/", page)
	told := others(s.Guard, s.Newest)
	mux.Handle("/flags.json", told)
	mux.Handle("/ofrep/", told)
	mux.Handle("/", s)
	// What takes longer (a stream, a step) sets deadlines of its own.
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	})
	run, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	wg.Go(func() { s.Run(run) })
	for _, h := range hooks {
		wg.Go(func() { h.Run(run) })
	}
	if o.Listening != nil {
		o.Listening(l.Addr().String())
	}
	systemd.Notify(systemd.Ready)
	o.Log.Info("serving", "component", "server", "name", c.Server.Name, "migration", c.Migration, "address", l.Addr().String())
	select {
	case <-ctx.Done():
		o.Log.Info("stopping", "component", "server", "cause", context.Cause(ctx))
	case err = <-failed:
	}
	systemd.Notify(systemd.Stopping)
	end() // what is under way stops, and is told to who asked
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if h.Shutdown(last) != nil {
		h.Close()
	}
	wg.Wait()
	return err
}

// listen opens the port, with TLS where there is a certificate. To browsers that
// is HTTP/2: one connection for all of a page's files, and no end of pages, each
// with a stream that would take one of six else. Agents and commands ask for
// HTTP/1.1.
func listen(c *config.Config, log *slog.Logger) (net.Listener, error) {
	var tc *tls.Config
	if t := c.Server.TLS; t.On() {
		var err error
		if tc, err = certs.Server(certs.Files{CertFile: t.CertFile, KeyFile: t.KeyFile.Path(), CAFile: t.ClientCAFile}, func(err error) {
			log.Error("the files of server.tls cannot be read again", "component", "server", "error", err)
		}, "h2"); err != nil {
			return nil, fmt.Errorf("server.tls: %w", err)
		}
	}
	l, err := net.Listen("tcp", c.Server.Listen)
	if err != nil {
		return nil, fmt.Errorf("server.listen: %w: is another server running?", err)
	}
	if tc != nil {
		l = tls.NewListener(l, tc)
	}
	return l, nil
}

func openBook(ctx context.Context, c *config.Config) (book.Book, error) {
	m := c.Server.MySQL
	if !m.On() {
		if err := os.MkdirAll(c.Server.StateDir, 0o755); err != nil {
			return nil, fmt.Errorf("server.state_dir: %w", err)
		}
		return files.New(filepath.Join(c.Server.StateDir, "flags.json")), nil
	}
	o := mysql.Options{Hosts: m.Hosts, Database: m.Database, User: m.User, Migration: c.Migration, Lease: c.Server.Lease.Std()}
	if m.PasswordFile.Set() {
		o.Password = m.PasswordFile.Read
	}
	if m.TLS != (config.MySQLTLS{}) {
		t, err := mysql.TLS{CAFile: m.TLS.CAFile, ServerName: m.TLS.ServerName, CertFile: m.TLS.CertFile, KeyFile: m.TLS.KeyFile.Path()}.Config()
		if err != nil {
			return nil, fmt.Errorf("server.mysql.tls: %w", err)
		}
		o.TLS = t
	}
	return mysql.Open(ctx, o)
}
