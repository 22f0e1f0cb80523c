package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// Finding is one thing that Preflight looked at.
type Finding struct {
	Host  string
	What  string
	OK    bool
	Found string
	Mend  string // what mends it; empty where nothing has to
}

// Memory is what the servers of a store have, in bytes. In a cluster the masters
// are added up.
type Memory struct {
	Max   int64 // maxmemory; 0: no limit of their own
	Used  int64
	Hosts int64 // what their machines have; 0: they do not say
}

// Memory asks every server.
func (s *Store) Memory(ctx context.Context) (m Memory, err error) {
	if err := s.enter(ctx); err != nil {
		return m, err
	}
	nodes, err := s.layout.nodes(ctx)
	if err != nil {
		return m, err
	}
	for _, n := range nodes {
		info, err := n.control.Info(ctx, "memory").Result()
		if err != nil {
			return m, s.read(ctx, "preflight", err)
		}
		for field, into := range map[string]*int64{"maxmemory": &m.Max, "used_memory": &m.Used, "total_system_memory": &m.Hosts} {
			v, _ := strconv.ParseInt(infoField(info, field), 10, 64) // managed servers leave some out
			*into += v
		}
	}
	return m, nil
}

// Preflight looks at each server: its policy, and whether our user may do what
// a Store does with names that begin with one of the prefixes. It changes
// nothing: commands are queued in a transaction, where the server judges the
// right to each, and the transaction is thrown away.
func (s *Store) Preflight(ctx context.Context, prefixes []string) ([]Finding, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	nodes, err := s.layout.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var fs []Finding
	for _, n := range nodes {
		policy, err := n.policy(ctx)
		if err != nil {
			return nil, err
		}
		rights, err := n.rights(ctx, prefixes)
		if err != nil {
			return nil, err
		}
		fs = append(fs, policy, rights)
	}
	return fs, nil
}

func (n *node) policy(ctx context.Context) (Finding, error) {
	f := Finding{Host: n.addr, What: "maxmemory-policy"}
	info, err := n.control.Info(ctx, "memory").Result()
	if err != nil {
		return f, n.store.read(ctx, "preflight", err)
	}
	f.Found = infoField(info, "maxmemory_policy")
	switch f.Found {
	case "noeviction":
		f.OK = true
	case "":
		f.Found, f.Mend = "the server does not say", "look in your provider's console: noeviction is wanted"
	default:
		f.Mend = "redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf; where CONFIG is refused, in your provider's console"
	}
	return f, nil
}

// probes are commands in the forms in which a Store sends them, k a key.
func probes(k string) [][]any {
	return [][]any{
		{"get", k}, {"mget", k}, {"set", k, "", "px", 1}, {"del", k}, {"exists", k}, {"pttl", k}, {"pexpire", k, 1}, {"pexpireat", k, 1}, {"persist", k},
		{"sadd", k, "x"}, {"srem", k, "x"}, {"smembers", k}, {"eval", "return 1", 1, k}, {"evalsha", strings.Repeat("0", 40), 1, k},
	}
}

// wide are those without a key. WATCH, UNWATCH, MULTI and EXEC cannot be queued,
// or have run by then; and no probe leaves anything behind if it is carried out.
var wide = [][]any{
	{"script", "load", "return 1"}, {"time"}, {"scan", 0}, {"ping"}, {"select", 0}, {"info"}, {"role"}, {"client", "id"}, {"client", "kill", "id", 0},
}

func (n *node) rights(ctx context.Context, prefixes []string) (Finding, error) {
	f := Finding{Host: n.addr, What: "rights"}
	own := "crossfade:" + n.store.opts.Migration + ":"
	pipe := n.control.Pipeline()
	multi := pipe.Do(ctx, "multi")
	// What no server knows makes EXEC throw all away (since 2.6.5). A Store
	// never sends DISCARD, so its user may not.
	pipe.Do(ctx, "crossfade-preflight")
	var asked []*goredis.Cmd
	for _, c := range wide {
		asked = append(asked, pipe.Do(ctx, c...))
	}
	for _, p := range append([]string{own}, prefixes...) {
		// In one slot with nothing else: a cluster judges slots after rights.
		for _, c := range probes(p + "crossfade-preflight") {
			asked = append(asked, pipe.Do(ctx, c...))
		}
	}
	exec := pipe.Do(ctx, "exec")
	if _, err := pipe.Exec(ctx); multi.Err() != nil {
		return f, n.store.read(ctx, "preflight", err)
	}
	if err := exec.Err(); err == nil || !strings.HasPrefix(err.Error(), "EXECABORT") {
		return f, fmt.Errorf("backends/redis: preflight: the server did not throw the transaction away (EXEC: %v): is there a proxy before it?", err)
	}
	var refused []string
	for _, c := range asked {
		if err := c.Err(); err != nil && (strings.HasPrefix(err.Error(), "NOPERM") || strings.HasPrefix(err.Error(), "ERR unknown command")) {
			refused = append(refused, words(c.Args()))
		}
	}
	if f.OK = len(refused) == 0; f.OK {
		f.Found = fmt.Sprintf("all of %d commands", len(asked)+4)
		return f, nil
	}
	f.Found = "refused: " + strings.Join(refused, ", ")
	f.Mend = "redis-cli ACL SETUSER " + n.user() + " " + ACLRule(n.store.opts.Migration, prefixes) +
		" (a provider that refuses CLIENT KILL for all: use another; without it no call of unknown outcome ends before its connection does)"
	return f, nil
}

func (n *node) user() string {
	if u := n.store.opts.Username; u != "" {
		return u
	}
	return "default"
}

// words is a refused command: its name, and whose key it was.
func words(args []any) string {
	name := fmt.Sprint(args[0])
	for _, a := range args[1:] {
		switch text := fmt.Sprint(a); {
		case strings.HasSuffix(text, "crossfade-preflight"):
			return name + " of " + strings.TrimSuffix(text, "crossfade-preflight") + "*"
		case name == "client" || name == "script":
			return name + " " + text
		}
	}
	return name
}
