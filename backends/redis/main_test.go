package redis_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// The sets of servers are started once, by the first test that wants them. Nobody
// in them takes another's place only because the machine is busy: it would lose
// writes.
var (
	sentinels = &shared{start: func(ctx context.Context) (*localserver.Set, error) {
		return localserver.RedisSentinel(ctx, localserver.SetOptions{Sentinel: []string{"sentinel down-after-milliseconds " + localserver.Master + " 30000"}})
	}}
	clustered = &shared{start: func(ctx context.Context) (*localserver.Set, error) {
		return localserver.RedisCluster(ctx, localserver.SetOptions{Replicas: 1, Args: []string{"--cluster-node-timeout", "30000"}})
	}}
)

func TestMain(m *testing.M) {
	redis.Quiet() // servers are killed all the time here
	code := m.Run()
	if err := errors.Join(sentinels.stop(), clustered.stop()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	// A pool of go-redis that could not dial tries once a second until it is
	// closed, and notices that at its next try.
	err := goleak.Find()
	for range 20 {
		if err == nil {
			break
		}
		time.Sleep(500 * time.Millisecond)
		err = goleak.Find()
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

type shared struct {
	start func(context.Context) (*localserver.Set, error)
	once  sync.Once
	set   *localserver.Set
	err   error
}

func (s *shared) get(t testing.TB) *localserver.Set {
	t.Helper()
	s.once.Do(func() { s.set, s.err = s.start(context.Background()) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.set
}

func (s *shared) stop() error {
	if s.set == nil {
		return nil
	}
	return s.set.Stop()
}
