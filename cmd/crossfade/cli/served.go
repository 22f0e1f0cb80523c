package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/control"
)

// checkServers looks at the servers, and at the fleet as the one that leads sees
// it: where there are servers, nobody else reaches the agents.
func checkServers(ctx context.Context, c *config.Config) (rows []row) {
	var best *control.Overview
	leads := false
	for _, addr := range c.Flags.Server {
		r := row{Name: "server " + addr, Want: "it answers, and takes our token"}
		o, _, err := overview(ctx, c, addr)
		if err != nil {
			r.Found, r.Mend = err.Error(), "start it: crossfade server; see flags.server, flags.ca_file and server.token_file"
			rows = append(rows, r)
			continue
		}
		r.OK, r.Found = true, fmt.Sprintf("%s, epoch %d", o.Server, o.Epoch)
		if o.Leads {
			r.Found += ", leads"
		}
		rows = append(rows, r)
		if best == nil || o.Leads {
			best = &o
		}
		leads = leads || o.Leads
	}
	if best == nil {
		return rows
	}
	if !leads {
		rows = append(rows, row{Name: "leader", Found: "none of those that answer", Want: "one server that leads",
			Mend: "wait for server.lease (" + c.Server.Lease.Std().String() + "), then look into the servers' logs"})
	}
	return append(rows, servedAgents(c, best)...)
}

// overview asks one server for all that it knows; began is when.
func overview(ctx context.Context, c *config.Config, addr string) (o control.Overview, began time.Time, err error) {
	one := *c
	one.Flags.Server = []string{addr}
	s, err := client(&one, stepFlags{})
	if err != nil {
		return o, began, err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	began = time.Now()
	o, err = s.Overview(ctx)
	return o, began, err
}

func servedAgents(c *config.Config, o *control.Overview) (rows []row) {
	if o.Migration != c.Migration {
		return []row{{Name: "migration", Found: o.Migration, Want: c.Migration, Mend: "correct flags.server, or migration"}}
	}
	if len(o.Agents) == 0 {
		return []row{{Name: "agents", Found: "none has connected yet", Want: "each agent that serves clients", Mend: "start them: crossfade agent"}}
	}
	digests := map[string][]string{}
	for _, g := range o.Agents {
		r := row{Name: "agent " + g.Name, Want: "it answers, and has the configuration of the others"}
		if st := g.Status; st == nil {
			r.Found, r.Mend = or(g.Why, "no answer"), "start it: crossfade agent; where its host is gone for ever: crossfade agents forget "+g.Name
		} else {
			r.OK, r.Found = true, fmt.Sprintf("%s, epoch %d", st.State, st.Epoch)
			digests[st.Digest] = append(digests[st.Digest], g.Name)
		}
		rows = append(rows, r)
	}
	return append(rows, configurations(digests)...)
}

// configurations is a row where agents differ; by digest who has it.
func configurations(digests map[string][]string) []row {
	if len(digests) < 2 {
		return nil
	}
	var who []string
	for d, names := range digests {
		who = append(who, fmt.Sprintf("%.8s: %s", d, strings.Join(names, ", ")))
	}
	slices.Sort(who)
	return []row{{Name: "configurations", Found: strings.Join(who, "; "), Want: "one",
		Mend: "give every host the same stores, kinds, hash key and version"}}
}

// seenByServers are the agents as the first server that answers sees them, and
// the flags that it gives; nil: none answers, and check has a row for that.
func seenByServers(ctx context.Context, c *config.Config) (all []named, snap *flags.Snapshot) {
	for _, addr := range c.Flags.Server {
		o, began, err := overview(ctx, c, addr)
		if err != nil {
			continue
		}
		half := time.Since(began) / 2
		for _, g := range o.Agents {
			if g.Status != nil {
				all = append(all, named{g.Name, &seen{Status: *g.Status, ahead: g.Status.Now.Sub(began.Add(half)), margin: half}})
			}
		}
		s, err := client(c, stepFlags{})
		if err != nil {
			return all, nil
		}
		defer s.Close()
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		if data, err := s.Flags(ctx); err == nil {
			snap, _ = flags.Parse(data)
		}
		return all, snap
	}
	return nil, nil
}
