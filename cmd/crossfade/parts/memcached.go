package parts

import (
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memcached/pair"
	"github.com/seed-41165957/crossfade/backends/memcached/ring"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

// openMemcached makes a store of one server, of a ring, or of a pair.
func openMemcached(c config.Memcached, migration string, t config.Timeouts) (hybrid.Cache, error) {
	o := ring.Options{Migration: migration, Distribution: c.Hash, Hash: c.KeyHash, DialTimeout: t.Dial.Std()}
	for _, text := range c.Servers {
		s, err := ring.ParseServer(text)
		if err != nil {
			return nil, err
		}
		o.Servers = append(o.Servers, s)
	}
	if c.Replicated != "" && len(o.Servers) == 2 {
		return pair.New(pair.Options{
			Migration: migration, Members: [2]string{o.Servers[0].Addr, o.Servers[1].Addr},
			DialTimeout: o.DialTimeout, Replicates: c.Replicated == config.ByServers,
		})
	}
	if len(o.Servers) == 1 {
		return memcached.New(o.Servers[0].Addr, memcached.Options{Migration: migration, DialTimeout: o.DialTimeout}), nil
	}
	return ring.New(o)
}
