package redis_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// written is one acknowledged write.
type written struct {
	name         string
	begun, acked time.Time
}

// crowd writes keys of their own through a store from many goroutines, until
// each has made its writes after the event.
type crowd struct {
	mu      sync.Mutex
	acked   []written           // guarded by mu
	unknown []*backends.Unknown // guarded by mu
	errs    map[string]int      // guarded by mu
}

// run has each of 8 writers make `before` writes, then calls break once, and
// goes on until each has made `after` more. It gives when the break was over.
func (c *crowd) run(t *testing.T, s *redis.Store, prefix string, before, after int, breakIt func()) (broken time.Time) {
	t.Helper()
	c.errs = map[string]int{}
	var ready, done sync.WaitGroup
	limit := time.Now().Add(2 * time.Minute)
	event := make(chan struct{})
	for w := range 8 {
		ready.Add(1)
		done.Go(func() {
			left := after
			for n := 0; left > 0; n++ {
				if n == before {
					ready.Done()
				}
				if n > before {
					select {
					case <-event:
						left--
					default:
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				name := fmt.Sprintf("%s%d-%d", prefix, w, n)
				begun := time.Now()
				err := s.Set(ctx, session(name, name))
				cancel()
				c.mu.Lock()
				if u, ok := backends.IsUnknown(err); ok {
					c.unknown = append(c.unknown, u)
				} else if err == nil {
					c.acked = append(c.acked, written{name, begun, time.Now()})
				} else {
					c.errs[err.Error()]++
				}
				c.mu.Unlock()
				if err != nil {
					left = max(left, 1) // the last is one that succeeded
					left++
					time.Sleep(5 * time.Millisecond)
				}
				if time.Now().After(limit) {
					t.Errorf("writer %d: still failing: %v", w, err)
					return
				}
			}
		})
	}
	ready.Wait()
	breakIt()
	broken = time.Now()
	close(event)
	done.Wait()
	return broken
}

// judge wants every write there that began after the break, and counts what was
// lost of those before.
func (c *crowd) judge(t *testing.T, s *redis.Store, broken time.Time) {
	t.Helper()
	var recovered time.Duration
	lost, after := 0, 0
	for _, w := range c.acked {
		_, found, err := s.Get(t.Context(), key(w.name))
		if err != nil {
			t.Fatal(err)
		}
		late := w.begun.After(broken)
		if late {
			after++
			if d := w.acked.Sub(broken); recovered == 0 || d < recovered {
				recovered = d
			}
		}
		switch {
		case found:
		case late:
			t.Errorf("a write acknowledged %v after the break is lost", w.acked.Sub(broken))
		case broken.Sub(w.acked) > 5*time.Second: // copies are on their way, and take their time
			t.Errorf("a write acknowledged %v before the break is lost", broken.Sub(w.acked))
		default:
			lost++
		}
	}
	if after == 0 {
		t.Error("no write was acknowledged after the break")
	}
	for _, u := range c.unknown {
		settled(t, u)
	}
	t.Logf("writes again %v after the break; %d acknowledged before it, %d of them lost; %d after; %d unknown, all settled; errors: %v",
		recovered.Round(time.Millisecond), len(c.acked)-after, lost, after, len(c.unknown), c.errs)
}

func settled(t *testing.T, u *backends.Unknown) {
	t.Helper()
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err = u.Settle(ctx)
		cancel()
		if err == nil {
			return
		}
	}
	t.Errorf("not settled: %v", err)
}

// tidy wants that no connection is parked, and few are open.
func tidy(t *testing.T, s *redis.Store, most int) backends.Health {
	t.Helper()
	var h backends.Health
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if h, err = s.Health(t.Context()); err == nil && h.Parked == 0 && h.Connections <= most {
			return h
		}
	}
	t.Errorf("got %+v, %v, want nothing parked and at most %d connections", h, err, most)
	return h
}

func startSet(t *testing.T, start func(context.Context, localserver.SetOptions) (*localserver.Set, error), o localserver.SetOptions) *localserver.Set {
	t.Helper()
	set, err := start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	return set
}

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	set := startSet(t, localserver.RedisSentinel, localserver.SetOptions{})
	o := sentinelOptions(set)
	o.DialTimeout = quick
	s := open(t, o)
	before, err := s.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var c crowd
	broken := c.run(t, s, "w", 100, 100, func() {
		if err := set.Data[0].Kill(); err != nil {
			t.Error(err)
		}
	})
	c.judge(t, s, broken)
	if h := tidy(t, s, 64); h.RunID == before.RunID {
		t.Error("the run id has not changed with the primary")
	}
}

// quick is the time in which servers that may fail are asked: a question to one
// that stands still must end before the failover does.
const quick = 250 * time.Millisecond

// TestSentinelFrozenPrimary: a primary that stands still is replaced while
// calls to it are parked. Their doubt ends with the failover, and when it wakes
// nothing of them arrives. The Sentinels leave a busy machine the time to look
// before the failover, and do not replace the next one by mistake.
func TestSentinelFrozenPrimary(t *testing.T) {
	t.Parallel()
	set := startSet(t, localserver.RedisSentinel, localserver.SetOptions{Sentinel: []string{"sentinel down-after-milliseconds " + localserver.Master + " 5000"}})
	o := sentinelOptions(set)
	o.DialTimeout = quick
	s := open(t, o)
	if err := s.Set(t.Context(), session("a", "before")); err != nil {
		t.Fatal(err)
	}
	if err := set.Data[0].Freeze(); err != nil {
		t.Fatal(err)
	}
	u := timeOut(t, s, "a")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := u.Settle(ctx); err == nil {
		t.Error("settled while the frozen server is still the primary")
	}
	again := func(what string, f func(ctx context.Context) error) {
		t.Helper()
		var err error
		for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err = f(ctx)
			cancel()
			if err == nil {
				return
			}
		}
		t.Fatalf("%s: %v", what, err)
	}
	again("settle", u.Settle)
	again("set", func(ctx context.Context) error { return s.Set(ctx, session("a", "after")) })
	if err := set.Data[0].Thaw(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := s.Set(t.Context(), session("b", "x")); err != nil {
			t.Errorf("a write beside the old primary's return: %v", err)
		}
		if got, found, err := s.Get(t.Context(), key("a")); err != nil || !found || string(got.Data) != "after" {
			t.Fatalf("got %q, %v, %v: the old primary is read, or its call has arrived", got.Data, found, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	tidy(t, s, 64)
}

// TestDemotedPrimaryIsNotUsed: Sentinel's word is not enough.
func TestDemotedPrimaryIsNotUsed(t *testing.T) {
	t.Parallel()
	set := startSet(t, localserver.RedisSentinel, localserver.SetOptions{Sentinel: []string{"sentinel down-after-milliseconds " + localserver.Master + " 60000"}})
	if err := set.Data[0].Kill(); err != nil { // the Sentinels do not know yet
		t.Fatal(err)
	}
	if err := set.Data[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	// It would take writes, and lose them.
	if out := set.Ask(t.Context(), set.Data[0], "CONFIG", "SET", "replica-read-only", "no"); out != "OK\n" {
		t.Fatal(out)
	}
	if out := set.Ask(t.Context(), set.Data[0], "REPLICAOF", set.Data[1].Addr()[:9], "1"); out != "OK\n" {
		t.Fatal(out)
	}
	s := open(t, sentinelOptions(set))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := s.Set(ctx, session("a", "x"))
	if _, unknown := backends.IsUnknown(err); err == nil || unknown {
		t.Errorf("got %v, want an error: nothing was sent", err)
	}
}

func TestSentinelsGone(t *testing.T) {
	s := open(t, redis.Options{Sentinel: redis.Sentinel{Addrs: []string{"127.0.0.1:1", "127.0.0.1:2"}, Master: "m"}})
	begin := time.Now()
	err := s.Set(t.Context(), session("a", "x"))
	if _, unknown := backends.IsUnknown(err); err == nil || unknown || time.Since(begin) > 30*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
	if err := s.Settle(t.Context(), "id:1", "x"); err == nil {
		t.Error("settled, with nobody to ask")
	}
}

func TestClusterFailover(t *testing.T) {
	t.Parallel()
	set := startSet(t, localserver.RedisCluster, localserver.SetOptions{Replicas: 1})
	o := clusterOptions(set)
	o.DialTimeout = quick
	s := open(t, o)
	before, err := s.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var c crowd
	broken := c.run(t, s, "w", 100, 200, func() {
		if err := set.Data[0].Kill(); err != nil {
			t.Error(err)
		}
	})
	// The other masters never stop: wait until this one's slots are served too.
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		var errs error
		for i := range 30 {
			errs = errors.Join(errs, s.Set(ctx, session(fmt.Sprint("probe", i), "x")))
		}
		cancel()
		if errs == nil {
			t.Logf("all slots are written again %v after the break", time.Since(broken).Round(time.Millisecond))
			break
		}
		if time.Now().After(end) {
			t.Fatal(errs)
		}
	}
	c.judge(t, s, broken)
	if h := tidy(t, s, 200); h.RunID == before.RunID {
		t.Error("the run id has not changed with a master")
	}
}
