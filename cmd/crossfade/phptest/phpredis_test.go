package phptest

import (
	"fmt"
	"math"
	"testing"
)

// TestPHPRedis moves sessions from Redis to Redis under three sites at once,
// each on both hosts: phpredis with its locks, phpredis without, and
// php-memcached.
func TestPHPRedis(t *testing.T) {
	t.Parallel()
	const users, clicksEach = 20, 12
	old, new := redisServer(t), redisServer(t)
	f := newFleet(t, 2, setting{sessions: memcachedKeys, old: redisAt(old), new: redisAt(new)})
	type site struct {
		*crowd
		name string
		idle []user
	}
	var sites []site
	var hosts []*host
	for _, s := range []struct {
		name string
		ini  func(*sidecar) []string
	}{
		{"phpredis, locks", func(a *sidecar) []string { return throughRedis(a.redis, true) }},
		{"phpredis, no locks", func(a *sidecar) []string { return throughRedis(a.redis, false) }},
		{"php-memcached", func(a *sidecar) []string { return throughMemcached(a.memcached) }},
	} {
		c := &crowd{t: t, pause: thinking}
		for i, a := range f.agents {
			h := newHost(t, fmt.Sprintf("%s, host %d", s.name, i+1), s.ini(a))
			hosts = append(hosts, h)
			c.hosts[i].put(t, h)
		}
		sites = append(sites, site{crowd: c, name: s.name})
	}
	watch := func() {
		t.Helper()
		for _, s := range sites {
			s.until(users * clicksEach)
			s.seance(50)
		}
	}
	at := func(name string) {
		for _, s := range sites {
			s.at(s.name + ": " + name)
		}
	}
	at("off")
	for i := range sites {
		sites[i].idle = sites[i].loginMany(users)
		sites[i].start(users)
	}
	watch()
	for _, steps := range [][][]string{
		{{"ramp", "mirror", "100"}},
		{{"backfill"}, {"verify"}, {"ramp", "read-new", "100"}},
		{{"ramp", "cutover", "100"}},
	} {
		last := steps[len(steps)-1]
		at(last[1])
		for _, s := range steps {
			f.crossfade(s...)
		}
		watch()
	}
	for _, s := range sites {
		s.finish()
		each(8, s.idle, func(u *user) { s.click(u, "click") })
		s.seance(math.MaxInt)
		s.judge()
	}
	for _, h := range hosts {
		for _, line := range h.warnings() {
			t.Errorf("%s: %s", h.name, line)
		}
	}
}
