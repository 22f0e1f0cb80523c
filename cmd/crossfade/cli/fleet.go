package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// skewMost is how far an agent's clock may be from ours: a deadline is kept to
// a second where memcached is on a side.
const skewMost = time.Second

// checkFleet looks at what check leaves out: every agent beside this
// configuration, and what the stores allow.
func checkFleet(ctx context.Context, c *config.Config) []row {
	rows := checkEachAgent(ctx, c)
	rows = append(rows, checkAbilities(ctx, "old", c.Old, c)...)
	rows = append(rows, checkAbilities(ctx, "new", c.New, c)...)
	rows = append(rows, checkRoom(ctx, c)...)
	return append(rows, clientNotes(c)...)
}

// wanted is what every agent should say.
type wanted struct {
	migration, version string
	digest             func(bucketing string) string // nil: our hash key is not known
	flags              *flags.Snapshot               // nil: there are none that can be read
	served             bool                          // by servers, and no flag file
}

// seen is what one agent said, and how far its clock is ahead of ours.
type seen struct {
	agentapi.Status
	ahead, margin time.Duration
}

// agentChecks are the rows of each agent.
var agentChecks = []struct {
	name string
	look func(s *seen, w *wanted) (ok bool, found, want, mend string)
}{
	{"state", func(s *seen, _ *wanted) (bool, string, string, string) {
		mend := "crossfade ramp mirror 0 writes the first revision; see its log"
		if s.State == agentapi.Passthrough {
			mend = "start it without --passthrough: until then no step goes on"
		}
		return s.State == agentapi.Ready, string(s.State), string(agentapi.Ready), mend
	}},
	{"migration", func(s *seen, w *wanted) (bool, string, string, string) {
		return s.Migration == w.migration || s.Epoch == 0, s.Migration, w.migration, "correct flags.agents or flags.server, or migration on that host"
	}},
	{"version", func(s *seen, w *wanted) (bool, string, string, string) {
		return s.Version == w.version, s.Version, w.version, "install " + w.version + " there, then: systemctl restart crossfade-agent"
	}},
	{"configuration", func(s *seen, w *wanted) (bool, string, string, string) {
		if w.digest == nil || w.flags == nil || s.Epoch == 0 {
			return true, "not known before the first revision", "", ""
		}
		want := w.digest(w.flags.Bucketing())
		return s.Digest == want, fmt.Sprintf("digest %.8s", s.Digest), fmt.Sprintf("digest %.8s, as here", want),
			"give it the same stores, sessions, hash key and version, then: systemctl restart crossfade-agent"
	}},
	{"flags", func(s *seen, w *wanted) (bool, string, string, string) {
		found := fmt.Sprintf("revision %d", s.Epoch)
		want, from, mend := w.flags.Epoch(), "in our flag file", "give that host the newest flag file: flags.file"
		if w.served {
			from, mend = "at the servers", "see its log: why it does not take it; crossfade status has whom a step waits for"
		}
		if s.FlagsError != "" {
			return false, found + ": " + s.FlagsError, "flags that can be read", mend
		}
		return s.Epoch == want, found, fmt.Sprintf("revision %d, as %s", want, from), mend
	}},
	{"clock", func(s *seen, _ *wanted) (bool, string, string, string) {
		return s.ahead.Abs() <= skewMost+s.margin, fmt.Sprintf("%+v (± %v)", s.ahead.Round(time.Millisecond), s.margin.Round(time.Millisecond)),
			"within " + skewMost.String() + " of ours", "timedatectl set-ntp true"
	}},
}

func checkEachAgent(ctx context.Context, c *config.Config) (rows []row) {
	w := &wanted{migration: c.Migration, version: parts.Version(), served: len(c.Flags.Server) > 0}
	if h, err := flags.LoadKey(c.Agent.KeyFile); err == nil {
		w.digest = func(bucketing string) string { return c.Digest(bucketing, h.Digest(), parts.Version()) }
	}
	var all []named
	if w.served {
		all, w.flags = seenByServers(ctx, c)
	} else {
		f := flags.NewFile(c.Flags.File, flags.FileOptions{Migration: c.Migration})
		f.Load() // check has a row for its error
		w.flags = f.Current()
		all = seenDirectly(ctx, c)
	}
	starts := map[string]string{}
	for _, n := range all {
		name, s := "agent "+n.name, n.seen
		if other, twice := starts[s.Start]; twice {
			rows = append(rows, row{Name: name, Found: "the same agent as at " + other, Want: "each agent once", Mend: "correct flags.agents"})
		}
		starts[s.Start] = n.name
		if n.name != s.Agent {
			name += " (" + s.Agent + ")"
		}
		for _, k := range agentChecks {
			r := row{Name: name + ": " + k.name}
			r.OK, r.Found, r.Want, r.Mend = k.look(s, w)
			if r.OK {
				r.Mend = ""
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// named is an agent by what it was asked by: its address, or its name.
type named struct {
	name string
	*seen
}

// seenDirectly are the agents of flags.agents that answer.
func seenDirectly(ctx context.Context, c *config.Config) []named {
	var o agentapi.ClientOptions
	if c.Listen.AdminTokenFile.Set() {
		o.Token = c.Listen.AdminTokenFile.Read
	}
	all := make([]named, len(c.Flags.Agents))
	var wg sync.WaitGroup
	for i, addr := range c.Flags.Agents {
		wg.Go(func() {
			began := time.Now()
			st, err := askAgent(ctx, addr, o)
			if err != nil {
				return // check has a row for that
			}
			half := time.Since(began) / 2
			all[i] = named{addr, &seen{Status: st, ahead: st.Now.Sub(began.Add(half)), margin: half}}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(all, func(n named) bool { return n.seen == nil })
}

// clientNotes say what clients do when they are answered an error, which is
// what they get where no store can say.
func clientNotes(c *config.Config) (rows []row) {
	for _, l := range []struct {
		name  string
		addrs []string
		note  string
	}{
		{"listen.memcached", c.Listen.Memcached, "on an error php-memcached fails session_start(), and the page can say so; php-memcache goes on with an EMPTY session, " +
			"so its user looks logged out for that page"},
		{"listen.redis", c.Listen.Redis, "on an error phpredis fails session_start(), connect-redis the request: nobody is logged out"},
	} {
		if len(l.addrs) > 0 {
			rows = append(rows, row{Name: l.name + " clients", OK: true, Found: l.note, Want: "that you know it: " + strings.Join(l.addrs, ", ")})
		}
	}
	return rows
}
