package backendtest

import (
	"context"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
)

// Redis starts a redis-server for the test; a missing program fails it.
func Redis(t testing.TB, args ...string) *localserver.Server {
	t.Helper()
	return server(t, localserver.Redis, args)
}

// Memcached starts a memcached for the test; a missing program fails it.
func Memcached(t testing.TB, args ...string) *localserver.Server {
	t.Helper()
	return server(t, localserver.Memcached, args)
}

func server(t testing.TB, start func(context.Context, localserver.Options) (*localserver.Server, error), args []string) *localserver.Server {
	t.Helper()
	s, err := start(t.Context(), localserver.Options{Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server said: %s", s.Output())
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// MariaDB starts a mariadbd for the test, in which init was run; a missing
// program fails it.
func MariaDB(t testing.TB, init ...string) *localserver.Server {
	t.Helper()
	return server(t, func(ctx context.Context, o localserver.Options) (*localserver.Server, error) {
		return localserver.MariaDB(ctx, o, init...)
	}, nil)
}

// FreeAddr is localserver.FreeAddr.
func FreeAddr(t testing.TB) string {
	t.Helper()
	addr, err := localserver.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
