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
)

// BenchmarkProxy is what a page view pays: sessions of 1 KiB, as many reads as
// writes, over 16 connections, through an agent and through twemproxy.
// x-straight is the time of a request by that of one straight to the same
// server, x-twemproxy by that of one through twemproxy, all in the same run;
// all programs share this machine's cores.
func BenchmarkProxy(b *testing.B) {
	mc, rd, newer := memcachedServer(b), redisServer(b), redisServer(b)
	viaMemcached, viaRedis := twemproxy(b, mc, rd)
	for _, p := range []struct {
		name            string
		old, new        string
		straight, proxy string
		agent           func(*sidecar) string
		session         func(b testing.TB, addr, id string) locker
	}{
		{"memcached", memcachedAt(mc), redisAt(newer), mc.Addr(), viaMemcached, func(a *sidecar) string { return a.memcached },
			func(b testing.TB, addr, id string) locker { return memcachedLocker{dial(b, addr), id} }},
		{"redis", redisAt(rd), redisAt(newer), rd.Addr(), viaRedis, func(a *sidecar) string { return a.redis },
			func(b testing.TB, addr, id string) locker { return redisLocker{dial(b, addr), id, ""} }},
	} {
		b.Run(p.name, func(b *testing.B) {
			f := newFleet(b, 1, setting{sessions: memcachedKeys, old: p.old, new: p.new})
			defer f.stop()
			reference := func(addr string) func(testing.TB) float64 {
				return func(b testing.TB) float64 { return request(b, 20_000, addr, p.session) }
			}
			straight, proxy := reference(p.straight), reference(p.proxy)
			b.Run("twemproxy", func(b *testing.B) {
				was := straight(b)
				b.ResetTimer()
				b.ReportMetric(request(b, b.N, p.proxy, p.session)/was, "x-straight")
			})
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
					one, two := straight(b), proxy(b)
					b.ResetTimer()
					our := request(b, b.N, p.agent(f.agents[0]), p.session)
					b.ReportMetric(our/one, "x-straight")
					b.ReportMetric(our/two, "x-twemproxy")
				})
			}
		})
	}
}

// request does n requests, half of them reads, over 16 connections, and gives
// the time that one takes.
func request(b testing.TB, n int, addr string, session func(testing.TB, string, string) locker) float64 {
	const connections = 16
	value := fmt.Sprintf(`n|s:1012:"%s";`, strings.Repeat("x", 1012)) // 1 KiB
	errs := make(chan error, connections)
	all := make([]locker, connections)
	for i := range all {
		all[i] = session(b, addr, fmt.Sprintf("%026d", rand.Uint64()))
		if err := all[i].set(value); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	for i, s := range all {
		go func() {
			for k := i; k < n; k += connections {
				var err error
				if k/connections%2 == 0 {
					_, _, err = s.get()
				} else {
					err = s.set(value)
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
	return float64(time.Since(began)) / float64(n)
}

// twemproxy starts one in front of both servers.
func twemproxy(b testing.TB, mc, rd *localserver.Server) (memcached, redis string) {
	b.Helper()
	bin := program(b, "nutcracker", "nutcracker")
	memcached, redis = port(b), port(b)
	dir := b.TempDir()
	pool := func(name, listen, server, more string) string {
		return fmt.Sprintf("%s:\n  listen: %s\n  hash: fnv1a_64\n  distribution: ketama\n  timeout: 2000\n%s  servers:\n   - %s:1 s1\n", name, listen, more, server)
	}
	text := pool("mc", memcached, mc.Addr(), "") + pool("rd", redis, rd.Addr(), "  redis: true\n")
	if err := os.WriteFile(filepath.Join(dir, "n.yml"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	_, stats, _ := strings.Cut(port(b), ":")
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
