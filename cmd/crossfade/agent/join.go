package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/control"
	"github.com/seed-41165957/crossfade/migrate/tunnel"
)

const (
	// firstMost is how long the first revision of a server is waited for, before
	// the agent serves by what it had: with the server gone it must serve, and
	// with the server there it must not begin with what the fleet has left
	// behind.
	firstMost = 2 * time.Second
	signMost  = 5 * time.Second
)

// fleet is an agent's ties to the servers of its migration.
type fleet struct {
	c     *config.Config
	o     *Options
	kept  *flags.Kept
	dial  func(ctx context.Context, network, addr string) (net.Conn, error) // nil: without TLS
	first chan struct{}                                                     // closed when a server has pushed a revision
	once  sync.Once
}

func newFleet(c *config.Config, o *Options, kept *flags.Kept) (*fleet, error) {
	log := o.Log.With("component", "server")
	dial, err := parts.Dial(c, func(err error) {
		log.Error("the files of flags.ca_file, cert_file and key_file cannot be read again", "error", err)
	})
	return &fleet{c: c, o: o, kept: kept, dial: dial, first: make(chan struct{})}, err
}

// take takes a revision that a server pushes.
func (f *fleet) take(data []byte) error {
	err := f.kept.Take(data, flags.FromServer)
	f.once.Do(func() { close(f.first) })
	return err
}

// begin lets the agent serve: by what a server says, or, where none answers, by
// what it had. Where the stores' roster does not name it nobody would wait for
// it: then only a server can let it begin, and begun is false until later.
func (f *fleet) begin(ctx context.Context, unlisted func() bool) (begun bool) {
	select {
	case <-f.first:
	case <-time.After(firstMost):
		if unlisted() {
			f.o.Log.Warn("no server has answered yet, and the fleet goes on without this agent: it is not ready", "component", "server")
			return false
		}
		f.o.Log.Warn("no server has answered yet: serving by the last known revision, if there is one", "component", "server")
	case <-ctx.Done():
	}
	f.kept.Begin()
	return true
}

// beginLater waits for a server for as long as it takes.
func (f *fleet) beginLater(ctx context.Context) {
	select {
	case <-f.first:
		f.kept.Begin()
	case <-ctx.Done():
	}
}

// run keeps a connection to each server, on which h answers, until ctx ends.
func (f *fleet) run(ctx context.Context, h http.Handler) {
	var wg sync.WaitGroup
	for _, addr := range f.c.Flags.Server {
		log := f.o.Log.With("component", "server", "address", addr)
		up := true
		a := tunnel.Agent{Addr: addr, Name: f.c.Agent.Name, Version: f.o.Version, Handler: h, Dial: f.dial, Connected: func(err error) {
			switch { // told when it changes
			case err == nil:
				up = true
				log.Info("connected")
			case up:
				up = false
				log.Warn("no connection: the agent serves on with what it has", "error", err)
			}
		}}
		if f.c.Server.TokenFile.Set() {
			a.Token = f.c.Server.TokenFile.Read
		}
		wg.Go(func() { tunnel.Run(ctx, a) })
	}
	wg.Wait()
}

// signOff tells a server that this agent stops, and left nothing behind; the
// connections still stand. Where none takes it, the agent stays in the roster: it
// is waited for until it runs again, or is forgotten.
func (f *fleet) signOff(ctx context.Context, start string) error {
	ctx, cancel := context.WithTimeout(ctx, signMost)
	defer cancel()
	body, err := json.Marshal(control.SignOff{Name: f.c.Agent.Name, Start: start})
	if err != nil {
		return err
	}
	var all error
	for _, addr := range f.c.Flags.Server {
		if err := f.signOffAt(ctx, addr, body); err != nil {
			all = errors.Join(all, fmt.Errorf("server %s: %w", addr, err))
			continue
		}
		return nil
	}
	return all
}

func (f *fleet) signOffAt(ctx context.Context, addr string, body []byte) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/agents/sign-off", bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	if f.c.Server.TokenFile.Set() {
		token, err := f.c.Server.TokenFile.Read()
		if err != nil {
			return err
		}
		q.Header.Set("Authorization", "Bearer "+token)
	}
	t := &http.Transport{DialContext: f.dial, DisableKeepAlives: true}
	p, err := t.RoundTrip(q)
	if err != nil {
		return err
	}
	defer p.Body.Close()
	if p.StatusCode == http.StatusOK {
		return nil
	}
	var said control.Failure
	b, _ := io.ReadAll(io.LimitReader(p.Body, 4<<10))
	if json.Unmarshal(b, &said) != nil || said.Text == "" {
		said.Text = p.Status
	}
	return errors.New(said.Text)
}
