// Proxybench sets the agent against twemproxy and against itself, and prints
// ratios: nothing else means anything on a machine that does other things too.
//
//	go run ./cmd/crossfade/proxybench -bin bin/crossfade -only off,rest
//
// It starts memcached, Redis, twemproxy (nutcracker) and agents of the real
// binary, all proxies on the same processors. Sessions have 1 KiB; half of the
// requests are reads. Each ratio is the median of pairs of runs that took
// turns. See docs/speed.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

func main() {
	b := bench{}
	bin := flag.String("bin", "bin/crossfade", "the agent's program")
	cpus := flag.String("cpus", "", "processors of every proxy, as taskset takes them; empty: all")
	only := flag.String("only", "off,steady,stores,rest", "what to measure; soak: the steady load for a long time")
	flag.IntVar(&b.pairs, "pairs", 5, "pairs of runs")
	flag.DurationVar(&b.long, "long", time.Second, "of one run")
	flag.IntVar(&b.perSecond, "rate", 5300, "operations a second of the steady load")
	flag.IntVar(&b.resting, "resting", 10_000, "clients at rest")
	flag.DurationVar(&b.soaks, "soak", 10*time.Minute, "of -only soak")
	flag.Parse()
	if err := b.main(*bin, *cpus, strings.Split(*only, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "proxybench:", err)
		os.Exit(1)
	}
}

type bench struct {
	*stand
	pairs, perSecond, resting int
	long, soaks               time.Duration
}

func (b *bench) main(bin, cpus string, only []string) (err error) {
	dir, err := os.MkdirTemp("", "crossfade-proxybench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	b.stand, err = newStand(context.Background(), dir, bin, cpus)
	defer b.stop()
	if err != nil {
		return err
	}
	fmt.Println("| what | against | throughput | p50 | p99 | CPU/op | |\n|---|---|---|---|---|---|---|")
	for _, part := range []struct {
		name string
		run  func() error
	}{{"off", b.off}, {"steady", b.steady}, {"stores", b.stores}, {"rest", b.rest}, {"soak", b.soak}} {
		if slices.Contains(only, part.name) {
			if err := part.run(); err != nil {
				return err
			}
		}
	}
	return nil
}

// off is throughput, with all sessions at off, beside twemproxy; and what the
// load itself can do.
func (b *bench) off() error {
	mc, err := b.agent("offmc", position.Off, memcached, store(memcached, b.memcached), store(redis, b.newer))
	if err != nil {
		return err
	}
	rd, err := b.agent("offrd", position.Off, redis, store(redis, b.redis), store(redis, b.newer))
	if err != nil {
		return err
	}
	flat := func(cs []*client) *result { return flatOut(cs, b.long) }
	for _, n := range []int{50, 500} {
		for _, m := range []struct {
			what                string
			speak               func(string) wire
			agent               *proxy
			at, other, straight string
		}{
			{"memcached → memcached", memcachedWire, mc, mc.memcached, b.twemproxy.memcached, b.memcached.Addr()},
			{"Redis → Redis", redisWire, rd, rd.redis, b.twemproxy.redis, b.redis.Addr()},
		} {
			ours := &way{pid: m.agent.Pid(), addr: m.at, speak: m.speak}
			theirs := &way{pid: b.twemproxy.Pid(), addr: m.other, speak: m.speak}
			none := &way{addr: m.straight, speak: m.speak}
			as, bs, err := b.against(n, ours, theirs, flat)
			if err != nil {
				return err
			}
			row(fmt.Sprintf("off, %s, %d connections", m.what, n), "twemproxy", as, bs,
				fmt.Sprintf("connections to the store: %d", connections(m.agent.Pid(), m.straight)))
			if n == 50 {
				as, bs, err = b.against(n, none, theirs, flat)
				if err != nil {
					return err
				}
				fmt.Printf("| straight, %s, %d connections | twemproxy | %.2f | %.2f | %.2f | | |\n", m.what, n,
					ratio(as, bs, rate), ratio(as, bs, p50), ratio(as, bs, p99))
			}
		}
	}
	return nil
}

// against opens both ways, lets them warm up, and has them take turns.
func (b *bench) against(n int, a, c *way, run func([]*client) *result) (as, bs []sample, err error) {
	for _, w := range []*way{a, c} {
		if err := w.open(n, "bench"); err != nil {
			return nil, nil, err
		}
		defer w.close()
		run(w.clients)
	}
	as, bs = pairs(b.pairs, a, c, run)
	for _, w := range []*way{a, c} {
		if w.err != nil {
			return nil, nil, fmt.Errorf("through %s: %w", w.addr, w.err)
		}
	}
	return as, bs, nil
}
