package phptest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

// BenchmarkProxy is what a page view pays: sessions of 1 KiB, as many reads as
// writes, over 16 connections, through an agent and through twemproxy.
// x-straight is the time of a request by that of one straight to the same
// server, x-twemproxy by that of one through twemproxy. They take turns within
// one run, so that whatever else the machine does meets all alike; all
// programs share its cores.
func BenchmarkProxy(b *testing.B) {
	mc, rd, newer := memcachedServer(b), redisServer(b), redisServer(b)
	viaMemcached, viaRedis := twemproxy(b, mc, rd)
	for _, p := range []struct {
		name            string
		old             string
		straight, proxy string
		agent           func(*sidecar) string
	}{
		{"memcached", memcachedAt(mc), mc.Addr(), viaMemcached, func(a *sidecar) string { return a.memcached }},
		{"redis", redisAt(rd), rd.Addr(), viaRedis, func(a *sidecar) string { return a.redis }},
	} {
		b.Run(p.name, func(b *testing.B) {
			f := newFleet(b, 1, setting{sessions: memcachedKeys, old: p.old, new: redisAt(newer)})
			defer f.stop()
			straight, proxy := connect(b, p.name, p.straight), connect(b, p.name, p.proxy)
			b.Run("twemproxy", func(b *testing.B) {
				took := turns(b, proxy, straight)
				b.ReportMetric(took[0]/took[1], "x-straight")
			})
			agent := connect(b, p.name, p.agent(f.agents[0]))
			for _, at := range []struct {
				position string
				steps    [][]string
			}{
				{"off", nil},
				{"mirror", [][]string{{"ramp", "mirror", "100"}}},
				{"read-new", [][]string{{"backfill"}, {"verify"}, {"ramp", "read-new", "100"}}},
				{"cutover", [][]string{{"ramp", "cutover", "100"}}},
			} {
				for _, s := range at.steps {
					f.crossfade(s...)
				}
				b.Run(at.position, func(b *testing.B) {
					took := turns(b, agent, straight, proxy)
					b.ReportMetric(took[0]/took[1], "x-straight")
					b.ReportMetric(took[0]/took[2], "x-twemproxy")
				})
			}
		})
	}
}

// turns has b.N requests done by the first of ways, and as many by each of the
// others, in turn. Only the first one is on the clock.
func turns(b *testing.B, ways ...[]locker) []float64 {
	const rounds = 10
	took := make([]float64, len(ways))
	b.StopTimer()
	for r := range rounds {
		n := b.N*(r+1)/rounds - b.N*r/rounds
		for i, w := range ways {
			if i == 0 {
				b.StartTimer()
			}
			took[i] += request(b, n, w).Seconds()
			b.StopTimer()
		}
	}
	return took
}

// oneKiB is a session.
var oneKiB = fmt.Sprintf(`n|s:1012:"%s";`, strings.Repeat("x", 1012))

// connect opens 16 connections, each with a session of its own.
func connect(b *testing.B, protocol, addr string) []locker {
	b.Helper()
	all := make([]locker, 16)
	for i := range all {
		id := fmt.Sprintf("%026d", rand.Uint64())
		all[i] = lockers[protocol](b, &sidecar{memcached: addr, redis: addr}, id)
		if err := all[i].set(oneKiB); err != nil {
			b.Fatal(err)
		}
	}
	return all
}

// request does n requests, as many reads as writes, on all connections.
func request(b *testing.B, n int, all []locker) time.Duration {
	errs := make(chan error, len(all))
	began := time.Now()
	for i, s := range all {
		go func() {
			for k := i; k < n; k += len(all) {
				var err error
				if k/len(all)%2 == 0 {
					_, _, err = s.get()
				} else {
					err = s.set(oneKiB)
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range all {
		if err := <-errs; err != nil {
			b.Error(err)
		}
	}
	return time.Since(began)
}

// twemproxy starts one in front of both servers.
func twemproxy(b testing.TB, mc, rd *localserver.Server) (memcached, redis string) {
	b.Helper()
	bin := program(b, "nutcracker", "nutcracker")
	memcached, redis = binarytest.Port(b), binarytest.Port(b)
	dir := b.TempDir()
	pool := func(name, listen, server, more string) string {
		return fmt.Sprintf("%s:\n  listen: %s\n  hash: fnv1a_64\n  distribution: ketama\n  timeout: 2000\n%s  servers:\n   - %s:1 s1\n", name, listen, more, server)
	}
	text := pool("mc", memcached, mc.Addr(), "") + pool("rd", redis, rd.Addr(), "  redis: true\n")
	if err := os.WriteFile(filepath.Join(dir, "n.yml"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	_, stats, _ := strings.Cut(binarytest.Port(b), ":")
	p, err := localserver.Start(exec.Command(bin, "-c", filepath.Join(dir, "n.yml"), "-a", "127.0.0.1", "-s", stats, "-o", filepath.Join(dir, "log")))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Stop(2 * time.Second); err != nil {
			b.Error(err)
		}
	})
	for _, addr := range []string{memcached, redis} {
		poll(b, 5*time.Second, "twemproxy at "+addr, func() bool { return listens(addr) })
	}
	return memcached, redis
}
