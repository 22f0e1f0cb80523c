package migrate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// Where each host has an old of its own (session files), a copy, a verification
// and a reverse copy are run on each host, and count once every host has run
// them. docs/decisions/0007-each-hosts-own-old.md says why.

// hostRuns are what was done on one host.
type hostRuns struct {
	Backfilled *run `json:"backfilled,omitempty"`
	Verified   *run `json:"verified,omitempty"`
	Reversed   *run `json:"reversed,omitempty"`
}

func (m *Migration) hosts() bool { return m.o.Host != "" }

// env are what holds for every session.
func (m *Migration) env() rules.Env {
	if m.hosts() {
		return rules.HostScoped
	}
	return 0
}

// ran notes that this host has done a job. It gives what counts for the whole
// fleet: nil while a host is left, then a run that began when the first did.
func (r *record) ran(m *Migration, c *copier, of func(*hostRuns) **run) *run {
	d := c.run()
	if !m.hosts() {
		return d
	}
	if r.Hosts == nil {
		r.Hosts = map[string]*hostRuns{}
	}
	if r.Hosts[m.o.Host] == nil {
		r.Hosts[m.o.Host] = &hostRuns{}
	}
	*of(r.Hosts[m.o.Host]) = d
	all := *d
	for _, name := range c.names {
		h := r.Hosts[name]
		if h == nil {
			h = &hostRuns{}
		}
		one := *of(h)
		if one == nil || one.Epoch != d.Epoch || !maps.Equal(one.Agents, d.Agents) {
			c.rep.HostsLeft = append(c.rep.HostsLeft, name)
			continue
		}
		if one.Began.Before(all.Began) {
			all.Began = one.Began
		}
	}
	slices.Sort(c.rep.HostsLeft)
	if len(c.rep.HostsLeft) > 0 {
		return nil
	}
	return &all
}

// reversedHere tells whether this host has made its own old whole, for the
// agents as they are: then it is another host's turn.
func (r *record) reversedHere(m *Migration, cur *revision, replies []reply) bool {
	h := r.Hosts[m.o.Host]
	return m.hosts() && h != nil && h.Reversed != nil && h.Reversed.Epoch == cur.def.Epoch && h.Reversed.counts(replies, r.joined) == ""
}

// lacking are the hosts on which a job is not done, in words; empty: none, or
// old is one for all.
func (r *record) lacking(of func(*hostRuns) **run) string {
	if len(r.Hosts) == 0 {
		return ""
	}
	var names []string
	for _, l := range r.Agents {
		if h := r.Hosts[l.Name]; l.Forgotten == nil && (h == nil || *of(h) == nil) {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func verifiedOf(h *hostRuns) **run   { return &h.Verified }
func backfilledOf(h *hostRuns) **run { return &h.Backfilled }
func reversedOf(h *hostRuns) **run   { return &h.Reversed }

// known refuses a host that is none of the agents: what it does would never
// count.
func (c *copier) known() error {
	names := slices.Sorted(maps.Values(c.names))
	if c.m.hosts() && !slices.Contains(names, c.m.o.Host) {
		return refuse(GateAgents, "run it on each host, with that host's configuration", "this host's agent is %q, and flags.agents has %s", c.m.o.Host, strings.Join(names, ", "))
	}
	return nil
}

// purge removes what new holds of the sessions that old decides, once, before
// the first host's backfill: what a host does not have may be on another one,
// so that nobody could tell later what was deleted before it was mirrored.
// Nobody reads it there, and each host's backfill brings back what lives.
func (c *copier) purge(ctx context.Context) error {
	c.stage("removing what new held before", c.size(ctx, rules.New))
	return c.scan(ctx, scan{side: rules.New, fn: func(ctx context.Context, items []item) bool {
		for _, it := range items {
			_, at := c.layer.Position(it.ref)
			if at.Position != position.Mirror && at.Position != position.Fenced {
				continue
			}
			if err := c.remove(ctx, it); err != nil {
				c.mu.Lock()
				c.leave([]suspect{{ref: it.ref, hash: it.hash, err: err}})
				c.mu.Unlock()
			}
		}
		return true
	}})
}

func (c *copier) remove(ctx context.Context, it item) error {
	var doubt *backends.Unknown // may still arrive, whatever is answered to a later one
	for try := range copyTries {
		if try > 0 {
			if err := pause(ctx, 100*time.Millisecond<<try/2); err != nil {
				return err
			}
		}
		var err error
		if doubt != nil {
			wait, cancel := context.WithTimeout(ctx, 5*time.Second)
			err = doubt.Settle(wait)
			cancel()
		}
		if err != nil {
			continue
		}
		one, cancel := context.WithTimeout(ctx, max(c.o.New.Timeout, time.Second))
		_, err = c.o.New.Store.Delete(one, it.ref.NewKey())
		cancel()
		if err == nil {
			return nil
		}
		doubt, _ = backends.IsUnknown(err)
	}
	return errors.New("remove from new: no answer, or one that does not end the doubt")
}

// emptied sees to it that new was emptied before the first backfill.
func (c *copier) emptied(ctx context.Context) error {
	if !c.m.hosts() {
		return nil
	}
	r, err := c.m.recorded(c.cur)
	if err != nil || r.Purged {
		return err
	}
	if err := c.purge(ctx); err != nil {
		return err
	}
	if c.rep.Unresolved > 0 {
		return &Unfinished{Job: "emptying of new", Report: c.rep}
	}
	_, err = c.m.change(ctx, func(now *revision, r *record) error {
		if now.digest() != c.cur.digest() {
			return refuse(GateRevision, "run it again", "somebody else has published revision %d", now.def.Epoch)
		}
		r.Purged = true
		return nil
	})
	return err
}

// markedHosts refuses while marks stand in the old of some host.
func (m *Migration) markedHosts(ctx context.Context) (*Refusal, error) {
	agents := m.agents()
	marks := make([]int, len(agents))
	err := agents.each(func(i int, a *agentapi.Client) (err error) {
		marks[i], err = a.Marks(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, n := range marks {
		if n > 0 {
			return refuse(GateCleanNew, "see that new answers: the agent there repairs and removes its own", "%d sessions are marked at %s", n, agents[i].Addr()), nil
		}
	}
	return nil, nil
}
