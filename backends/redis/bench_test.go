package redis_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// BenchmarkFlags says what KeepFlags costs, on one server, turn by turn: times
// with it over times without (usual flags; and others, which have a key).
func BenchmarkFlags(b *testing.B) {
	srv := backendtest.Redis(b)
	stores := map[bool]*redis.Store{}
	for _, keep := range []bool{false, true} {
		stores[keep] = open(b, redis.Options{Addr: srv.Addr(), KeepFlags: keep})
	}
	for _, flags := range []uint32{0, 768} {
		sess := backends.Session{Key: key("a"), Data: make([]byte, 512), Flags: flags, Deadline: time.Now().Add(time.Hour)}
		for name, call := range map[string]func(*redis.Store) error{
			"set": func(s *redis.Store) error { return s.Set(context.Background(), sess) },
			"get": func(s *redis.Store) error { _, _, err := s.Get(context.Background(), sess.Key); return err },
		} {
			b.Run(fmt.Sprintf("%s/flags=%d", name, flags), func(b *testing.B) {
				var took [2]time.Duration
				for b.Loop() {
					for i, keep := range []bool{false, true} {
						if name == "get" {
							if err := stores[keep].Set(context.Background(), sess); err != nil {
								b.Fatal(err)
							}
						}
						begin := time.Now()
						var wg sync.WaitGroup
						for range 8 {
							wg.Go(func() {
								for range 200 {
									if err := call(stores[keep]); err != nil {
										b.Error(err)
									}
								}
							})
						}
						wg.Wait()
						took[i] += time.Since(begin)
					}
				}
				b.ReportMetric(float64(took[1])/float64(took[0]), "x-without")
			})
		}
	}
}

// BenchmarkStore compares with go-redis alone, on the same server, with the
// same settings; a deadline on each call, as agents give one.
func BenchmarkStore(b *testing.B) {
	srv := backendtest.Redis(b)
	s := open(b, redis.Options{Addr: srv.Addr()})
	bare := goredis.NewClient(&goredis.Options{Addr: srv.Addr(), Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, PoolSize: 16})
	defer bare.Close()
	data := make([]byte, 512)
	deadline := time.Now().Add(time.Hour)
	if err := s.Set(context.Background(), backends.Session{Key: key("a"), Data: data, Deadline: deadline}); err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name string
		call func(context.Context) error
	}{
		{"get/bare", func(ctx context.Context) error { return bare.Get(ctx, "a").Err() }},
		{"get/store", func(ctx context.Context) error { _, _, err := s.Get(ctx, key("a")); return err }},
		{"set/bare", func(ctx context.Context) error { return bare.Set(ctx, "a", data, 3600001*time.Millisecond).Err() }},
		{"set/store", func(ctx context.Context) error {
			return s.Set(ctx, backends.Session{Key: key("a"), Data: data, Deadline: deadline})
		}},
		{"guard and swap/store", func(ctx context.Context) error {
			g, err := s.Guard(ctx, key(fmt.Sprint("g", time.Now().UnixNano())), deadline)
			if err != nil {
				return err
			}
			defer g.Release()
			return g.Swap(ctx, backends.Session{Key: g.Record().Key, Data: data, Deadline: deadline})
		}},
	} {
		for _, par := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/%d", bb.name, par), func(b *testing.B) {
				b.ReportAllocs()
				run := func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					if err := bb.call(ctx); err != nil {
						b.Error(err)
					}
				}
				if par == 1 {
					for b.Loop() {
						run()
					}
					return
				}
				b.SetParallelism(par)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						run()
					}
				})
			})
		}
	}
}
