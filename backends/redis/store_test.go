package redis_test

import (
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/backends/redis"
)

func TestSuite(t *testing.T) {
	srv := backendtest.Redis(t)
	backendtest.Run(t, func(*testing.T) backends.Store {
		return redis.New(patient(redis.Options{Addr: srv.Addr()}))
	}, backendtest.Options{Server: srv})
}

func TestLikeMemory(t *testing.T) {
	s := redis.New(patient(redis.Options{Addr: backendtest.Redis(t).Addr()}))
	defer s.Close()
	backendtest.Compare(t, s, memory.New(memory.Options{}), 2000)
}
