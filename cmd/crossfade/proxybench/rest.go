package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// rest is what clients cost that have nothing to say: each has asked once.
func (b *bench) rest() error {
	n := b.resting
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && int(limit.Cur) < n+1000 {
		n = int(limit.Cur) - 1000
	}
	p, err := b.agent("rest", position.Off, memcached, store(memcached, b.memcached), store(redis, b.newer))
	if err != nil {
		return err
	}
	memory := func(p *proxy) (float64, int, error) {
		few, err := connect(100, p.memcached, memcachedWire, "rest")
		if err != nil {
			return 0, 0, err
		}
		defer hangUp(few)
		before := resident(p.Pid())
		all, err := connect(n-200, p.memcached, memcachedWire, "resting")
		if err != nil {
			return 0, 0, err
		}
		defer hangUp(all)
		time.Sleep(45 * time.Second) // what was needed for the requests goes back
		return float64(resident(p.Pid())-before) / float64(len(all)), connections(p.Pid(), b.memcached.Addr()), nil
	}
	ours, open, err := memory(p)
	if err != nil {
		return err
	}
	theirs, _, err := memory(b.twemproxy)
	if err != nil {
		return err
	}
	fmt.Printf("| %d clients at rest: %.1f KiB each | twemproxy: %.1f KiB | | | | | connections to the store: %d |\n",
		n, ours/1024, theirs/1024, open)
	return nil
}
