package redis_test

import (
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

const noFlags = "a Redis string has no room for client flags; a sibling key is to come"

func TestSuite(t *testing.T) {
	srv := backendtest.Redis(t)
	backendtest.Run(t, func(*testing.T) backends.Store {
		return redis.New(redis.Options{Addr: srv.Addr(), Migration: "test"})
	}, backendtest.Options{
		Server:     srv,
		Deviations: map[string]string{"session/flags": noFlags, "guard/flags": noFlags},
	})
}
