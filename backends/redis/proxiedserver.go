package redis

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

var (
	scriptTime = loose(`return redis.call('TIME')`)
	// scriptInfo is what a server says of itself, to a key that it has.
	scriptInfo = loose(`return {redis.call('INFO', 'server'), redis.call('INFO', 'stats'), redis.call('INFO', 'memory')}`)
)

// probeKeys are so many that with a few servers behind the proxy each has one.
const probeKeys = 32

// probeKey gives names that differ all over: fnv1a_64 puts those that differ in
// their last byte alone onto one server.
func (s *Store) probeKey(i int) string {
	sum := sha1.Sum([]byte{byte(i)})
	return backends.NoteKey(s.opts.Migration, "probe:"+hex.EncodeToString(sum[:])).Name
}

// proxiedTries is how often a new connection asks for the time: behind a proxy an
// answer takes longer than meetDoubt, and the connection is waited for.
const proxiedTries = 3

// greetProxied is greet through a proxy, which answers a PING by itself: what
// counts is that a server behind it answers. One that is down is not all.
func (n *node) greetProxied(nc net.Conn, br *bufio.Reader) (name, runID string, err error) {
	if p := n.store.opts.Password; p != "" {
		c := newCall(false).cmd(2, "auth").str(string(p))
		defer c.Free()
		if err := c.over(nc, br); err != nil {
			return "", "", err
		}
		if err := c.answer(0).err(); err != nil {
			return "", "", err
		}
	}
	for try, probe := 0, 0; try < proxiedTries && probe < probeKeys; {
		if doubt, ok := n.clock.Doubt(); ok && doubt <= meetDoubt {
			return unnamed + nc.LocalAddr().String(), "", nil
		}
		c := newCall(false).cmd(4, "eval").str(scriptTime.text).num(1).str(n.store.probeKey(probe))
		sent := time.Now()
		if err = c.over(nc, br); err != nil {
			c.Free()
			return "", "", err
		}
		var now time.Time
		if now, err = c.answer(0).time(); err == nil {
			n.noted(now, nil, sent)
			try++
		} else {
			probe++
		}
		c.Free()
	}
	return unnamed + nc.LocalAddr().String(), "", err
}

// unsent begin the words of a proxy for what it could not send.
var unsent = []string{"Connection refused", "No route to host", "Network is unreachable"}

// doubtful makes an Unknown of an error that the proxy has answered in the place
// of a server that is late, or that it has lost: the change may have been made,
// and may still be.
func (s *Store) doubtful(err error) error {
	var r *ReplyError
	if !s.proxied || !errors.As(err, &r) || r.Code != "ERR" {
		return err
	}
	for _, words := range unsent {
		if strings.HasPrefix(r.Text, words) {
			return err
		}
	}
	const conn = unnamed + "proxy"
	return backends.NewUnknown(err, conn, "", func(ctx context.Context) error { return s.Settle(ctx, conn, "") })
}

// Health asks INFO of the servers that one of the probes' keys is on, by a
// script: with a few servers these are all. Each probe must be answered. The run
// id is made of theirs, as a cluster's.
func (p *Proxied) Health(ctx context.Context) (backends.Health, error) {
	s := p.s
	if err := s.enter(ctx); err != nil {
		return backends.Health{}, err
	}
	c, err := s.only.ask(ctx, "health", false, false, func(_ *node, c *call) {
		for i := range probeKeys {
			c.cmd(4, "eval").str(scriptInfo.text).num(1).str(s.probeKey(i))
		}
	})
	if err != nil {
		return backends.Health{}, err
	}
	defer c.Free()
	var all []backends.Health
	have := map[string]bool{}
	for i := range probeKeys {
		parts, err := c.answer(i).items(3)
		if err != nil {
			return backends.Health{}, s.plain("health", err)
		}
		server, stats, memory := string(parts[0].text), string(parts[1].text), string(parts[2].text)
		h := backends.Health{Product: "redis", Version: infoField(server, "redis_version"), RunID: infoField(server, "run_id")}
		if have[h.RunID] {
			continue
		}
		have[h.RunID] = true
		h.Evictions, _ = strconv.ParseUint(infoField(stats, "evicted_keys"), 10, 64)
		h.Evicts = infoField(memory, "maxmemory") != "0" && infoField(memory, "maxmemory_policy") != "noeviction"
		all = append(all, h)
	}
	h := sum(all)
	h.Note = Lost
	h.Connections, h.Parked = s.Connections()
	return h, nil
}
