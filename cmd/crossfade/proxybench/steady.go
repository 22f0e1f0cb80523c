package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// steadyClients send the fixed rate together.
const steadyClients = 200

// steady is the latency at a fixed rate: off beside twemproxy, and the other
// positions beside off.
func (b *bench) steady() error {
	mc, newer := store(memcached, b.memcached), store(redis, b.newer)
	off, err := b.agent("steady-off", position.Off, memcached, mc, newer)
	if err != nil {
		return err
	}
	run := func(cs []*client) *result { return steady(cs, b.long, b.perSecond) }
	through := func(p *proxy) *way { return &way{pid: p.Pid(), addr: p.memcached, speak: memcachedWire} }
	name := func(p string) string { return fmt.Sprintf("%s, %d/s over %d", p, b.perSecond, steadyClients) }

	as, bs, err := b.against(steadyClients, through(off), through(b.twemproxy), run)
	if err != nil {
		return err
	}
	row(name("off"), "twemproxy", as, bs, "")

	mirror, err := b.agent("steady-mirror", position.Mirror, memcached, mc, newer)
	if err != nil {
		return err
	}
	if as, bs, err = b.against(steadyClients, through(mirror), through(off), run); err != nil {
		return err
	}
	row(name("mirror"), "off", as, bs, "")

	stalled, err := b.agent("steady-stalled", position.Mirror, memcached, mc, store(redis, b.frozen))
	if err != nil {
		return err
	}
	if err := b.frozen.Freeze(); err != nil {
		return err
	}
	as, bs, err = b.against(steadyClients, through(stalled), through(off), run)
	if thaw := b.frozen.Thaw(); err == nil {
		err = thaw
	}
	if err != nil {
		return err
	}
	row(name("mirror, new stands still"), "off", as, bs, "")
	return b.readNew(off, through, run)
}

// soak is the fixed rate for a long time, alone: what counts is that no request
// fails, nor waits as long as a client would.
func (b *bench) soak() error {
	p, err := b.agent("soak", position.Off, memcached, store(memcached, b.memcached), store(redis, b.newer))
	if err != nil {
		return err
	}
	w := &way{pid: p.Pid(), addr: p.memcached, speak: memcachedWire}
	if err := w.open(steadyClients, "bench"); err != nil {
		return err
	}
	defer w.close()
	r := steady(w.clients, b.soaks, b.perSecond)
	if r.err != nil {
		return fmt.Errorf("after %d requests: %w", r.done, r.err)
	}
	fmt.Printf("| soak, off, %d/s over %d, %v | | %.0f/s | | | | %d requests, none failed; the slowest took %.0f times the median |\n",
		b.perSecond, steadyClients, b.soaks, r.rate(), r.done, float64(r.all.Max())/float64(r.all.ValueAtQuantile(50)))
	return nil
}

// readNew is set against off over old, and for writes against the time of both
// stores.
func (b *bench) readNew(off *proxy, through func(*proxy) *way, run func([]*client) *result) error {
	mc, newer := store(memcached, b.memcached), store(redis, b.newer)
	p, err := b.agent("steady-readnew", position.ReadNew, memcached, mc, newer)
	if err != nil {
		return err
	}
	if err := b.spared(p); err != nil {
		return err
	}
	as, bs, err := b.against(steadyClients, through(p), through(off), run)
	if err != nil {
		return err
	}
	row(fmt.Sprintf("read-new, %d/s over %d", b.perSecond, steadyClients), "off", as, bs,
		fmt.Sprintf("reads p50 %.2f", ratio(as, bs, reads50)))
	second, err := b.agent("steady-second", position.Off, memcached, newer, mc)
	if err != nil {
		return err
	}
	cs, _, err := b.against(steadyClients, through(second), through(off), run)
	if err != nil {
		return err
	}
	both := median(bs, writes50) + median(cs, writes50)
	fmt.Printf("| read-new, writes | off of both stores, added | | %.2f | | | |\n", median(as, writes50)/both)
	return nil
}

// stores is a memcached client over Redis, beside a Redis client over it.
func (b *bench) stores() error {
	across, err := b.agent("across", position.Off, memcached, store(redis, b.redis), store(redis, b.newer))
	if err != nil {
		return err
	}
	plain, err := b.agent("plain", position.Off, redis, store(redis, b.redis), store(redis, b.newer))
	if err != nil {
		return err
	}
	mc := &way{pid: across.Pid(), addr: across.memcached, speak: memcachedWire}
	own := &way{pid: plain.Pid(), addr: plain.redis, speak: redisWire}
	as, bs, err := b.against(50, mc, own, func(cs []*client) *result { return flatOut(cs, b.long) })
	if err != nil {
		return err
	}
	row("off, memcached → Redis, 50 connections", "Redis → Redis", as, bs, "")
	return nil
}

// spared has readers of new look at no marks, as after every step of a ramp that
// is taken with the CLI: it makes the record, and the agent leaves it.
func (b *bench) spared(p *proxy) error {
	if out, err := exec.Command(b.bin, "ramp", "read-new", "100", "--config", p.config).CombinedOutput(); err != nil {
		return fmt.Errorf("crossfade ramp read-new 100: %w\n%s", err, out)
	}
	c, err := agentapi.NewClient(p.admin, agentapi.ClientOptions{})
	if err != nil {
		return err
	}
	defer c.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		st, err := c.Status(ctx)
		cancel()
		switch {
		case err == nil && st.Lease == "clean":
			return nil
		case time.Now().After(end):
			return fmt.Errorf("readers of new still look for marks: lease %q, %v", st.Lease, err)
		}
	}
}
