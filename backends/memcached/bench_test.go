package memcached_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

// BenchmarkStore measures Get and Set of 512 bytes against gomemcache, which
// does the same with one connection for each call. ratio is our time by its
// time, in the same run: below 1 is faster.
func BenchmarkStore(b *testing.B) {
	srv := backendtest.Memcached(b)
	s := memcached.New(srv.Addr(), memcached.Options{})
	defer s.Close()
	const most = 128
	theirs := memcache.New(srv.Addr())
	theirs.MaxIdleConns = most
	defer theirs.Close()
	ctx := context.Background()
	data := make([]byte, 512)
	sess := backends.Session{Key: backends.Key{Name: "memc.sess.key.0123456789abcdefghijklmnop"}, Data: data}
	if err := s.Set(ctx, sess); err != nil {
		b.Fatal(err)
	}
	ours := map[string]func() error{
		"get": func() error { _, _, err := s.Get(ctx, sess.Key); return err },
		"set": func() error { return s.Set(ctx, sess) },
	}
	plain := map[string]func() error{
		"get": func() error { _, err := theirs.Get(sess.Key.Name); return err },
		"set": func() error { return theirs.Set(&memcache.Item{Key: sess.Key.Name, Value: data}) },
	}
	for _, op := range []string{"get", "set"} {
		for _, callers := range []int{1, 16, most} {
			b.Run(fmt.Sprintf("%s/%d", op, callers), func(b *testing.B) {
				their := spread(b, callers, 20000, plain[op])
				b.ReportAllocs()
				b.ResetTimer()
				our := spread(b, callers, b.N, ours[op])
				b.StopTimer()
				b.ReportMetric(our/their, "ratio")
			})
		}
	}
}

// spread does n calls from so many goroutines, and gives the time of one.
func spread(b *testing.B, callers, n int, do func() error) float64 {
	begin := time.Now()
	done := make(chan error, callers)
	for i := range callers {
		go func() {
			for range n/callers + 1 {
				if err := do(); err != nil {
					done <- fmt.Errorf("caller %d: %w", i, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	return float64(time.Since(begin)) / float64((n/callers+1)*callers)
}
