package redis_test

import (
	"fmt"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// apart are the promises that cannot be kept in a cluster.
var apart = map[string]string{
	"data/longest key":  "its tombstone is named by a hash, in another slot: ErrKey",
	"data/unusual keys": "{} is no hash tag, and no other key can be in its slot: ErrKey",
}

func sentinelOptions(set *localserver.Set) redis.Options {
	return redis.Options{Migration: "test", Sentinel: redis.Sentinel{Addrs: localserver.Addrs(set.Sentinels), Master: localserver.Master}}
}

func clusterOptions(set *localserver.Set) redis.Options {
	return redis.Options{Migration: "test", Cluster: localserver.Addrs(set.Data)[:2]}
}

func TestSuiteSentinel(t *testing.T) { forms(t, sentinelOptions(sentinels.get(t)), nil) }

func TestSuiteCluster(t *testing.T) { forms(t, clusterOptions(clustered.get(t)), apart) }

// forms runs the suite with and without KeepFlags.
func forms(t *testing.T, o redis.Options, deviations map[string]string) {
	for _, o.KeepFlags = range []bool{false, true} {
		t.Run(fmt.Sprint("flags=", o.KeepFlags), func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, func(*testing.T) backends.Store { return redis.New(o) },
				backendtest.Options{Deviations: deviations, MaxConnections: 200})
		})
	}
}

func TestSuiteWithFlags(t *testing.T) {
	srv := backendtest.Redis(t)
	backendtest.Run(t, func(*testing.T) backends.Store {
		return redis.New(redis.Options{Addr: srv.Addr(), Migration: "test", KeepFlags: true})
	}, backendtest.Options{Server: srv})
}

func TestLikeMemoryWithFlags(t *testing.T) {
	s := redis.New(redis.Options{Addr: backendtest.Redis(t).Addr(), Migration: "test", KeepFlags: true})
	defer s.Close()
	backendtest.Compare(t, s, memory.New(memory.Options{}), 2000)
}
