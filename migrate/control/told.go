package control

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// gossip is what each agent holds dirty in new, for all the others: a reader that
// cannot see the mark in old still learns of it, while a server is there.
type gossip struct {
	mu      sync.Mutex // guards what follows
	by      map[string]agentapi.Dirty
	changed chan struct{} // closed when one of them is another
}

func newGossip() *gossip {
	return &gossip{by: map[string]agentapi.Dirty{}, changed: make(chan struct{})}
}

func (g *gossip) set(d agentapi.Dirty) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if slices.Equal(g.by[d.Agent].Hashes, d.Hashes) {
		return
	}
	g.by[d.Agent] = d
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gossip) now() (all []agentapi.Dirty, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.by {
		all = append(all, d)
	}
	return all, g.changed
}

// listen hears what an agent holds dirty, until ctx ends. What it said last
// stands when it is gone: so do its marks.
func (s *Server) listen(ctx context.Context, c *agentapi.Client) {
	for since := uint64(0); ctx.Err() == nil; {
		d, err := c.Dirty(ctx, since)
		if err != nil || d.Agent != c.Addr() {
			sleep(ctx, time.Second)
			continue
		}
		since = d.Number
		s.gossip.set(d)
	}
}

// tell tells an agent what the others hold dirty, until ctx ends.
func (s *Server) tell(ctx context.Context, c *agentapi.Client) {
	said := map[string][]string{}
	for ctx.Err() == nil {
		all, changed := s.gossip.now()
		again := false
		for _, d := range all {
			if was, ok := said[d.Agent]; d.Agent == c.Addr() || slices.Equal(was, d.Hashes) && (ok || len(d.Hashes) == 0) {
				continue
			}
			if err := c.Told(ctx, d); err != nil {
				again = true
				continue
			}
			said[d.Agent] = d.Hashes
		}
		if again {
			sleep(ctx, time.Second)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}
