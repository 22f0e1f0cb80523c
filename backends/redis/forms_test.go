package redis_test

import (
	"context"
	"errors"
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
			backendtest.Run(t, func(*testing.T) backends.Store { return redis.New(patient(o)) },
				backendtest.Options{Deviations: deviations, MaxConnections: 200})
		})
	}
}

// frozen is all data servers of a set as one.
type frozen struct{ *localserver.Set }

func (f frozen) each(do func(*localserver.Server) error) (err error) {
	for _, s := range f.Data {
		err = errors.Join(err, do(s))
	}
	return err
}

func (f frozen) Addr() string                  { return f.Data[0].Addr() }
func (f frozen) Freeze() error                 { return f.each((*localserver.Server).Freeze) }
func (f frozen) Thaw() error                   { return f.each((*localserver.Server).Thaw) }
func (f frozen) Kill() error                   { return errors.ErrUnsupported }
func (f frozen) Restart(context.Context) error { return errors.ErrUnsupported }

// TestStalls: servers stand still, and nobody replaces them so soon.
func TestStalls(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		start   func(context.Context, localserver.SetOptions) (*localserver.Set, error)
		set     localserver.SetOptions
		options func(*localserver.Set) redis.Options
		not     map[string]string
	}{
		"sentinel": {localserver.RedisSentinel, localserver.SetOptions{Sentinel: []string{"sentinel down-after-milliseconds " + localserver.Master + " 30000"}}, sentinelOptions, nil},
		"cluster":  {localserver.RedisCluster, localserver.SetOptions{Args: []string{"--cluster-node-timeout", "30000"}}, clusterOptions, apart},
	} {
		t.Run(name, func(t *testing.T) {
			set := startSet(t, tt.start, tt.set)
			o := tt.options(set)
			o.KeepFlags = true
			backendtest.Run(t, func(*testing.T) backends.Store { return redis.New(patient(o)) },
				backendtest.Options{Server: frozen{set}, Replaced: true, Deviations: tt.not, MaxConnections: 200})
		})
	}
}

func TestSuiteWithFlags(t *testing.T) {
	srv := backendtest.Redis(t)
	backendtest.Run(t, func(*testing.T) backends.Store {
		return redis.New(patient(redis.Options{Addr: srv.Addr(), KeepFlags: true}))
	}, backendtest.Options{Server: srv})
}

func TestLikeMemoryWithFlags(t *testing.T) {
	s := redis.New(patient(redis.Options{Addr: backendtest.Redis(t).Addr(), KeepFlags: true}))
	defer s.Close()
	backendtest.Compare(t, s, memory.New(memory.Options{}), 2000)
}
