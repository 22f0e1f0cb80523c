package prove

import (
	"slices"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/files"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/backends/mysql"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// kind is one sort of store as a configuration names it. The store itself says
// what it is able to do; whether it evicts it says only when it is asked, so
// that stands here.
type kind struct {
	name   string
	store  backends.Store // a nil of its type: its abilities need no server
	evicts bool
}

var kindsOfStores = []kind{
	{"memory", (*memory.Store)(nil), false},
	{"files", (*files.Store)(nil), false},
	{"memcached", (*memcached.Store)(nil), true}, // least recently used first, when memory is short
	{"mysql", (*mysql.Store)(nil), false},
	{"hybrid", (*hybrid.Store)(nil), true}, // its fast tier
	{"redis", (*redis.Store)(nil), false},  // with maxmemory-policy noeviction, which crossfade check looks for
}

// StoreNames are the stores that Known knows, as a configuration names them.
func StoreNames() (names []string) {
	for _, k := range kindsOfStores {
		names = append(names, k.name)
	}
	return names
}

// Known is what a store can do by its own declaration, without a server.
func Known(name string) (Store, bool) {
	i := slices.IndexFunc(kindsOfStores, func(k kind) bool { return k.name == name })
	if i < 0 {
		return Store{}, false
	}
	k := kindsOfStores[i]
	s := Store{Name: name, Evicts: k.evicts}
	_, s.Marks = k.store.(backends.Marker)
	_, s.Tiers = k.store.(backends.Tiered)
	if h, ok := k.store.(backends.HostScoped); ok {
		s.HostScoped = h.HostScoped()
	}
	return s, true
}

// MayBeNew tells whether sessions can move to such a store: not to one that
// each host has for itself, nor to two tiers.
func (s Store) MayBeNew() bool { return !s.HostScoped && !s.Tiers }
