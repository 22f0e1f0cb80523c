package migrate

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// Stranger is a host that is connected to old, and is no agent.
type Stranger struct {
	Host        string `json:"host"`           // its address
	Name        string `json:"name,omitempty"` // what it calls itself, or its database user
	Connections int    `json:"connections"`
}

// Bypass is who reaches old past the agents: what they write there is not
// mirrored.
type Bypass struct {
	Strangers []Stranger `json:"strangers"`
	// Changes that agents saw to have been made past them.
	Changes int64 `json:"changes"`
	// Unsaid are the agents that did not say which connections are theirs: some of
	// the strangers may be theirs.
	Unsaid []string `json:"unsaid,omitempty"`
	Error  string   `json:"error,omitempty"` // old does not tell
}

// Bypass asks old's servers who is connected, and leaves out the agents and this
// process. A client that connects for each request is seen only if it is there
// at the moment: ask again.
func (m *Migration) Bypass(ctx context.Context) (b Bypass, err error) {
	agents := m.agents()
	peers := make([]agentapi.Peers, len(agents)+1)
	errs := make([]error, len(agents))
	status := make([]agentapi.Status, len(agents))
	agents.each(func(i int, c *agentapi.Client) error {
		if status[i], errs[i] = c.Status(ctx); errs[i] == nil {
			peers[i], errs[i] = c.Peers(ctx)
		}
		return nil
	})
	if l, err := m.stores(); err == nil {
		last := &peers[len(agents)]
		if last.Peers, last.Own, err = darklaunch.PeersOf(ctx, l.Old.Store); errors.Is(err, darklaunch.ErrNoPeers) {
			b.Error = err.Error()
		}
	}
	own := map[string]bool{}
	for _, p := range peers {
		for _, a := range p.Own {
			own[a] = true
		}
	}
	seen := map[string]bool{}
	hosts := map[Stranger]int{}
	for i, p := range peers {
		if i < len(agents) && errs[i] != nil {
			b.Unsaid = append(b.Unsaid, agents[i].Addr())
			continue
		}
		if i < len(agents) {
			b.Changes += status[i].Bypassed
		}
		if p.Error != "" {
			b.Error = p.Error
		}
		for _, x := range p.Peers {
			if own[x.Addr] || seen[x.Addr] {
				continue
			}
			seen[x.Addr] = true
			host, _, err := net.SplitHostPort(x.Addr)
			if err != nil {
				host = x.Addr
			}
			hosts[Stranger{Host: host, Name: x.Name}]++
		}
	}
	b.Strangers = []Stranger{}
	for s, n := range hosts {
		s.Connections = n
		b.Strangers = append(b.Strangers, s)
	}
	slices.SortFunc(b.Strangers, func(x, y Stranger) int {
		return cmp.Or(cmp.Compare(y.Connections, x.Connections), cmp.Compare(x.Host, y.Host), cmp.Compare(x.Name, y.Name))
	})
	return b, nil
}
