package agent

import (
	"fmt"
	"strings"

	"github.com/seed-41165957/crossfade/backends/memcached/ring"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
)

// gatePassthrough names the refusals.
const gatePassthrough = "passthrough"

func notOff(found, do string) error {
	return &migrate.Refusal{Gate: gatePassthrough, Found: found, Do: do}
}

// passable gives old's address, where clients can speak with old as they speak
// with the agent.
func passable(c *config.Config) (string, error) {
	no := func(format string, args ...any) (string, error) {
		return "", notOff(fmt.Sprintf(format, args...), "start the agent without --passthrough, or point clients at old themselves")
	}
	foreign := func(listen, old, spoken string) (string, error) {
		return "", notOff(fmt.Sprintf("%s: old is %s, and these clients speak %s", listen, old, spoken),
			"where no client uses it yet, take "+listen+" out of the configuration and of crossfade-agent.socket, else start the agent without --passthrough")
	}
	for _, k := range c.Sessions { // the first names are those in old
		if len(k.Keys) > 1 || len(k.Locks) > 1 {
			return no("clients of kind %s use names that are not those in old (%s)", k.Name, strings.Join(append(k.Keys, k.Locks...), ", "))
		}
	}
	if c.Listen.RedisPasswordFile.Set() {
		return no("clients give the agent a password (listen.redis_password_file), which the layer takes in old's place")
	}
	if c.Listen.TLS.On() {
		return no("clients speak TLS with the agent, which the layer ends in old's place")
	}
	if len(c.Listen.HTTP) > 0 {
		return foreign("listen.http", "no HTTP server", "HTTP")
	}
	switch m, r := c.Old.Memcached, c.Old.Redis; {
	case m != nil && m.Replicated != "":
		return no("old is a pair of memcached servers, and which one has all is for the layer to say")
	case m != nil && len(m.Servers) != 1:
		return no("old is a ring of %d memcached servers, and which one has a session is for the layer to say", len(m.Servers))
	case m != nil && len(c.Listen.Redis) > 0:
		return foreign("listen.redis", "memcached", "Redis")
	case m != nil:
		s, err := ring.ParseServer(m.Servers[0])
		return s.Addr, err
	case r == nil:
		return no("old is not a server that clients can speak with")
	case len(c.Listen.Memcached) > 0:
		return foreign("listen.memcached", "Redis", "memcached")
	case r.Clustered() || len(r.Sentinel.Addrs) > 0:
		return no("old is a Redis cluster, or found through Sentinel: the layer finds the server")
	case r.TLS.On() || r.PasswordFile.Set() || r.User != "" || r.Database != 0:
		return no("old.redis asks for a password, TLS or a database, which the layer says in the clients' place")
	}
	return c.Old.Redis.Addrs[0], nil
}

// allOff refuses every revision in which a write that passes the layer by is
// one that new lacks, or a read one that old cannot answer.
func allOff(s *flags.Snapshot) error {
	if s == nil {
		return notOff("no revision of the flags is known, so neither is where sessions are", "crossfade ramp mirror 0, which writes the first")
	}
	for _, p := range flags.Ladder {
		if p != position.Off && s.Holds(p) {
			return notOff(fmt.Sprintf("sessions are in %s (revision %d): a write that passes the layer by would not reach new", p, s.Epoch()),
				"crossfade rollback --to off, and crossfade unpin what is pinned")
		}
	}
	// That sessions have been in cutover does not count: no rollback ends in off
	// before old has them all again.
	if s.Definition().DeclaredDown != flags.NoneDown {
		return notOff(fmt.Sprintf("old is declared down (revision %d)", s.Epoch()), "crossfade recover old, until it is over")
	}
	return nil
}
