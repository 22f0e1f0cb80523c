package phptest

import (
	"fmt"
	"math"
	"testing"
)

// TestPHPMove is the whole way of a PHP site on two hosts: from memcached
// through the agents to Redis, back to mirror on the way, and in the end off
// the agents. Everything is done with the crossfade command.
func TestPHPMove(t *testing.T) {
	t.Parallel()
	clicking, idling, quota, least := 60, 120, int64(300), int64(5_000)
	if long {
		clicking, quota, least = 300, 2500, 50_000
	}
	mc, rd := memcachedServer(t), redisServer(t)
	f := newFleet(t, 2, setting{sessions: memcachedKeys, old: memcachedAt(mc), new: redisAt(rd)})
	c := &crowd{t: t, pause: thinking}
	var hosts []*host
	place := func(i int, h *host) *host { hosts = append(hosts, h); return c.hosts[i].put(t, h) }
	for i, a := range f.agents {
		place(i, newHost(t, fmt.Sprintf("host %d, memcached", i+1), throughMemcached(a.memcached)))
	}

	c.at("off")
	idle := c.loginMany(idling)
	leaving := c.loginMany(3 * 25) // who log out where the way has got to
	c.start(clicking)
	var fresh []user
	// watch stays until enough was clicked here; then some log out, who came
	// before the migration or here, and none of those before may be back.
	watch := func() {
		t.Helper()
		c.until(quota)
		each(3, leaving[:3], c.logout)
		leaving = leaving[3:]
		each(2, fresh, c.logout)
		fresh = c.loginMany(2)
		c.seance(200) // among a crowd; all at the end
	}
	step := func(args ...string) {
		t.Helper()
		name := ""
		for _, a := range args {
			name += " " + a
		}
		c.at(name[1:])
		f.crossfade(args...)
		watch()
	}
	ramp := func(stage string, percents ...string) {
		for _, p := range percents {
			step("ramp", stage, p)
		}
	}
	watch()
	ramp("mirror", "1", "25", "100")
	step("backfill")
	step("verify")
	ramp("read-new", "1", "10", "50", "100")
	step("rollback", "--to", "mirror")
	step("backfill")
	step("verify")
	ramp("read-new", "25", "100")
	ramp("cutover", "1", "25", "100")

	for i := range hosts {
		c.at(fmt.Sprintf("phpredis on host %d", i+1))
		was := place(i, newHost(t, fmt.Sprintf("host %d, phpredis", i+1), throughRedis(rd.Addr(), true)))
		was.stop(t)
		watch()
	}
	f.stop()
	c.at("without agents")
	watch()
	c.finish()
	for _, late := range [][]user{idle, leaving, fresh} {
		each(8, late, func(u *user) { c.click(u, "click"); c.look(u) })
	}
	dead := c.seance(math.MaxInt)
	c.judge(hosts...)
	if n := c.clicks(); n < least {
		t.Errorf("%d clicks, want %d or more", n, least)
	} else {
		t.Logf("%d clicks; %d ids stayed out", n, dead)
	}
}
