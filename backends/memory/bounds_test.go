package memory_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
)

func key(name string) backends.Key { return backends.Key{Name: name} }

func session(name, data string, deadline time.Time) backends.Session {
	return backends.Session{Key: key(name), Data: []byte(data), Deadline: deadline}
}

func TestFull(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts memory.Options
		data int
	}{
		{"sessions", memory.Options{MaxSessions: 100}, 10},
		{"bytes", memory.Options{MaxBytes: 100_000}, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := memory.New(tt.opts)
				n := 0
				fill := func() error {
					for ; n < 10_000; n++ {
						if err := s.Set(t.Context(), session(fmt.Sprint(n), string(make([]byte, tt.data)), time.Now().Add(time.Minute))); err != nil {
							return err
						}
					}
					return nil
				}
				if err := fill(); !errors.Is(err, memory.ErrFull) {
					t.Fatalf("got %v, want ErrFull", err)
				}
				if n < 50 || n > 100 {
					t.Errorf("%d sessions were taken", n)
				}
				if err := s.Set(t.Context(), session("0", string(make([]byte, tt.data)), time.Now().Add(time.Minute))); err != nil {
					t.Errorf("the same again in a full store: %v", err)
				}
				for i := range n { // none was lost
					if _, found, _ := s.Get(t.Context(), key(fmt.Sprint(i))); !found {
						t.Fatalf("session %d is missing", i)
					}
				}
				g, err := s.Guard(t.Context(), key("absent"), time.Now().Add(time.Second))
				if err != nil {
					t.Fatal(err)
				}
				if err := g.Swap(t.Context(), session("absent", "x", time.Time{})); tt.name == "sessions" && !errors.Is(err, memory.ErrFull) {
					t.Errorf("a swap into a full store: got %v, want ErrFull", err)
				}
				g.Release()
				time.Sleep(2 * time.Minute) // the bubble's clock
				n = 0
				if err := fill(); !errors.Is(err, memory.ErrFull) || n < 50 {
					t.Errorf("expired sessions take room: %d fit, %v", n, err)
				}
			})
		})
	}
}

func TestEvict(t *testing.T) {
	s := memory.New(memory.Options{MaxSessions: 1000, Evict: true})
	hot := key("hot")
	if err := s.Set(t.Context(), backends.Session{Key: hot, Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bury(t.Context(), key("gone"), time.Hour); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for i := range 10_000 {
		if err := s.Set(t.Context(), session(fmt.Sprint(i), "x", time.Time{})); err != nil {
			t.Fatal(err)
		}
		if _, found, _ := s.Get(t.Context(), hot); !found {
			lost++
			s.Set(t.Context(), backends.Session{Key: hot, Data: []byte("x")})
		}
	}
	if names, _ := s.Len(); names > 1000 {
		t.Errorf("%d names are held, want 1000 at most", names)
	}
	if lost > 10 {
		t.Errorf("a session used all the time was evicted %d times", lost)
	}
	if r, err := s.Read(t.Context(), key("gone")); err != nil || !r.Gone {
		t.Error("a tombstone was evicted")
	}
	if h, err := s.Health(t.Context()); err != nil || !h.Evicts || h.Evictions < 8_900 {
		t.Errorf("health: %+v, %v", h, err)
	}
}

// TestReclaimed sees the whole of what ended go, with no reader and no
// goroutine to help.
func TestReclaimed(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := memory.New(memory.Options{Now: func() time.Time { return now }})
	for i := range 2000 {
		if err := s.Set(t.Context(), session(fmt.Sprint(i), "x", now.Add(time.Second))); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Guard(t.Context(), key(fmt.Sprint("g", i)), now.Add(time.Second)); err != nil {
			t.Fatal(err) // never released
		}
	}
	now = now.Add(time.Second)
	for i := range 20_000 {
		if err := s.Set(t.Context(), session(fmt.Sprint("next", i%1000), "x", time.Time{})); err != nil {
			t.Fatal(err)
		}
	}
	if names, _ := s.Len(); names > 1100 {
		t.Errorf("%d names are held, want 1000", names)
	}
}

func TestExactDeadline(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := memory.New(memory.Options{Now: func() time.Time { return now }})
	d := now.Add(1500 * time.Microsecond) // kept as 2 ms: never too early
	if err := s.Set(t.Context(), session("a", "x", d)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(1999 * time.Microsecond)
	if _, found, _ := s.Get(t.Context(), key("a")); !found {
		t.Error("the session ended too early")
	}
	now = now.Add(time.Microsecond)
	if _, found, _ := s.Get(t.Context(), key("a")); found {
		t.Error("the session outlives its deadline")
	}
}

func TestAccounts(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := memory.New(memory.Options{Now: func() time.Time { return now }})
	ctx := t.Context()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				k := key(fmt.Sprint(i % 50))
				switch (i + w) % 7 {
				case 0:
					s.Delete(ctx, k)
				case 1:
					s.Bury(ctx, k, time.Second)
				case 2:
					s.PutMark(ctx, k, backends.Mark{Agent: "a"}, time.Second)
				case 3:
					s.Add(ctx, session(k.Name, "xyz", now.Add(time.Second)))
				case 4:
					s.Touch(ctx, k, now.Add(-time.Second))
				case 5:
					if g, err := s.Guard(ctx, k, now.Add(time.Second)); err == nil {
						g.Swap(ctx, session(k.Name, "swapped", now.Add(time.Second)))
						g.Release()
					}
				default:
					s.Set(ctx, session(k.Name, "some data", now.Add(time.Second)))
				}
			}
		})
	}
	wg.Wait()
	now = now.Add(time.Minute)
	for i := range 50 {
		s.Get(ctx, key(fmt.Sprint(i)))
	}
	if names, size := s.Len(); names != 0 || size != 0 {
		t.Errorf("an empty store counts %d names and %d bytes", names, size)
	}
}

func BenchmarkStore(b *testing.B) {
	for _, size := range []int{512, 8192} {
		data := make([]byte, size)
		s := memory.New(memory.Options{})
		names := make([]string, 1000)
		for i := range names {
			names[i] = fmt.Sprintf("memc.sess.key.%026d", i)
			s.Set(context.Background(), session(names[i], string(data), time.Now().Add(time.Hour)))
		}
		b.Run(fmt.Sprintf("get/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					s.Get(context.Background(), key(names[i%len(names)]))
				}
			})
		})
		b.Run(fmt.Sprintf("set/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			d := time.Now().Add(time.Hour)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					s.Set(context.Background(), backends.Session{Key: key(names[i%len(names)]), Data: data, Deadline: d})
				}
			})
		})
	}
}
