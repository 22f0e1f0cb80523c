package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/tunnel"
)

// Gone is how long after a revision an agent that is not waited for may still
// serve by an older one: it reads the epoch in the stores each second.
const Gone = 3 * time.Second

// Member is one agent of the roster.
type Member struct {
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"`
	Start   string    `json:"start"` // of the life that signed on last
	Joined  time.Time `json:"joined"`
	// Away is since when it has signed off: it is not waited for, and taken off
	// by the next step.
	Away *time.Time `json:"away,omitempty"`
}

// members is the page of the roster.
type members struct {
	Version int               `json:"version"`
	Agents  map[string]Member `json:"agents"`
	// Dropped is when a step last went on without somebody who was away.
	Dropped *time.Time `json:"dropped,omitempty"`
}

// roster is the agents that belong to the fleet, by the book, and the
// connections of those that are here.
type roster struct {
	b book.Book

	mu      sync.Mutex // guards what follows; nothing is asked, sent or closed under it
	tunnels map[string]*tunnel.Tunnel
	clients map[string]*agentapi.Client
	closed  bool
}

func newRoster(b book.Book) *roster {
	return &roster{b: b, tunnels: map[string]*tunnel.Tunnel{}, clients: map[string]*agentapi.Client{}}
}

func (r *roster) load(ctx context.Context) (*members, error) {
	p := &members{Version: 1, Agents: map[string]Member{}}
	data, err := r.b.Load(ctx, book.Roster)
	if err != nil || data == nil {
		return p, err
	}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("control: %s is damaged: %w", r.b.Where(book.Roster), err)
	}
	if p.Version != 1 {
		return nil, fmt.Errorf("control: %s is of version %d, this server reads 1: use the server that wrote it", r.b.Where(book.Roster), p.Version)
	}
	if p.Agents == nil {
		p.Agents = map[string]Member{}
	}
	return p, nil
}

func (r *roster) save(ctx context.Context, by book.Lock, p *members) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return r.b.Save(ctx, by, book.Roster, append(data, '\n'))
}

// change changes the page under the publisher's lock.
func (r *roster) change(ctx context.Context, fn func(*members) error) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		lock, err := r.b.TryLock(ctx, book.Publish)
		if err != nil {
			return err
		}
		if lock == nil {
			if sleep(ctx, 10*time.Millisecond); ctx.Err() != nil {
				return errors.New("control: the roster is locked: try again")
			}
			continue
		}
		defer lock.Release()
		p, err := r.load(ctx)
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
		return r.save(ctx, lock, p)
	}
}

// Agents are those that a step waits for.
func (r *roster) Agents() []*agentapi.Client {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p, err := r.load(ctx)
	if err != nil {
		// Nobody may take this for a fleet without agents.
		c, _ := agentapi.NewClient("the roster", agentapi.ClientOptions{Transport: failing{err}})
		return []*agentapi.Client{c}
	}
	var out []*agentapi.Client
	for _, name := range sorted(p.Agents) {
		if p.Agents[name].Away == nil {
			out = append(out, r.client(name))
		}
	}
	return out
}

// Lives are all of the roster: who is away may be started again.
func (r *roster) Lives() []epochs.Life {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p, err := r.load(ctx)
	if err != nil {
		return nil
	}
	out := []epochs.Life{}
	for _, name := range sorted(p.Agents) {
		out = append(out, epochs.Life{Name: name, Start: p.Agents[name].Start})
	}
	return out
}

// Step takes off those who are away, and waits until whoever was taken off by
// the step before cannot serve any more.
func (r *roster) Step(ctx context.Context, by book.Lock) error {
	p, err := r.load(ctx)
	if err != nil {
		return err
	}
	if p.Dropped != nil {
		if left := time.Until(p.Dropped.Add(Gone)); left > 0 {
			if sleep(ctx, min(left, Gone)); ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	n := len(p.Agents)
	maps.DeleteFunc(p.Agents, func(_ string, m Member) bool { return m.Away != nil })
	if len(p.Agents) == n {
		return nil
	}
	now := time.Now().UTC()
	p.Dropped = &now
	return r.save(ctx, by, p)
}

// client asks one agent through its newest connection. It is kept for those that
// have one: anybody may ask after any name.
func (r *roster) client(name string) *agentapi.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.clients[name]
	if c == nil {
		c, _ = agentapi.NewClient(name, agentapi.ClientOptions{Transport: via{r, name}}) // an error is for addresses
		if r.tunnels[name] != nil {
			r.clients[name] = c
		}
	}
	return c
}

// connected puts a connection in the place of an older one of that agent.
func (r *roster) connected(name string, t *tunnel.Tunnel) (ok bool) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return false
	}
	was := r.tunnels[name]
	r.tunnels[name] = t
	r.mu.Unlock()
	if was != nil {
		was.Close() // in TLS it may wait for an agent that is gone
	}
	return true
}

func (r *roster) disconnected(name string, t *tunnel.Tunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tunnels[name] == t {
		delete(r.tunnels, name)
		delete(r.clients, name)
	}
}

// close ends all connections, and takes no more.
func (r *roster) close() {
	r.mu.Lock()
	r.closed = true
	all := maps.Clone(r.tunnels)
	r.mu.Unlock()
	for _, t := range all {
		t.Close()
	}
}

// via is the way to an agent: the connection that it has at the moment.
type via struct {
	r    *roster
	name string
}

var errAway = errors.New("it is not connected to this server")

// RoundTrip asks the agent.
func (v via) RoundTrip(q *http.Request) (*http.Response, error) {
	v.r.mu.Lock()
	t := v.r.tunnels[v.name]
	v.r.mu.Unlock()
	if t == nil {
		return nil, errAway
	}
	return t.RoundTrip(q)
}

type failing struct{ err error }

// RoundTrip fails.
func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func sorted(m map[string]Member) []string { return slices.Sorted(maps.Keys(m)) }
