package phptest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// way is the ladder up, and through back down to sealed.
var way = []position.Position{position.Off, position.Mirror, position.Fenced, position.ReadNew, position.Sealed,
	position.Cutover, position.Back, position.Sealed}

// TestNeighbours holds two agents in each pair of neighbouring positions, and
// lets 50 connections, half of them at each agent, count one session up under
// PHP's lock: never two holders, never a lost increment. Refusals are the
// price; they are counted.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	pairs(t, memcachedKeys, func(t *testing.T, pair string, behind, ahead *sidecar) {
		for _, clients := range []string{"memcached", "redis", "both"} {
			t.Run(pair+", "+clients, func(t *testing.T) { count(t, clients, behind, ahead) })
		}
	})
}

// TestLateUnlock has a request that outlives its lock and then unlocks: the
// lock is another's by then, given by the other agent, and must stand.
func TestLateUnlock(t *testing.T) {
	t.Parallel()
	pairs(t, memcachedKeys+"    lock_ttl: 1s\n", func(t *testing.T, pair string, behind, ahead *sidecar) {
		t.Run(pair, func(t *testing.T) {
			for name, locker := range lockers {
				for _, order := range [][2]*sidecar{{behind, ahead}, {ahead, behind}} {
					t.Run(name+", first "+order[0].name, func(t *testing.T) {
						t.Parallel()
						late(t, locker, order[0], order[1])
					})
				}
			}
		})
	})
}

var lockers = map[string]func(t testing.TB, a *sidecar, id string) locker{
	"memcached": func(t testing.TB, a *sidecar, id string) locker { return memcachedLocker{dial(t, a.memcached), id} },
	"redis": func(t testing.TB, a *sidecar, id string) locker {
		return redisLocker{dial(t, a.redis), id, fmt.Sprintf("host|%d", rand.Uint32())}
	},
}

func late(t *testing.T, make func(testing.TB, *sidecar, string) locker, one, other *sidecar) {
	end := time.Now().Add(2 * time.Minute)
	for try := 0; time.Now().Before(end); try++ {
		id := fmt.Sprintf("%026d", rand.Uint64())
		slow, next, third := make(t, one, id), make(t, other, id), make(t, one, id)
		if granted, err := slow.lock(); err != nil || !granted {
			t.Fatalf("lock: %v, %v", granted, err)
		}
		poll(t, 10*time.Second, "the lock to run out", func() bool {
			granted, err := next.lock()
			if err != nil {
				t.Fatal(err)
			}
			return granted
		})
		began := time.Now()
		var wrong []string
		must := func(what string, want bool, f func() (bool, error)) {
			if got, err := f(); err != nil || got != want {
				wrong = append(wrong, fmt.Sprintf("%s: got %v, %v, want %v", what, got, err, want))
			}
		}
		// What the slow one is told may be yes: while sealed one store's half
		// of its lock may still have been there.
		if _, err := slow.unlock(); err != nil {
			t.Error(err)
		}
		must("a third lock while it is held", false, third.lock)
		must("the holder's unlock", true, next.unlock)
		if took := time.Since(began); took > 700*time.Millisecond {
			t.Logf("try %d: took %v, so these locks may have run out too: it says nothing", try, took)
			continue
		}
		for _, w := range wrong {
			t.Error(w)
		}
		// Not at once: memcached keeps a lock of a second for up to three.
		poll(t, 10*time.Second, "the lock after it", func() bool {
			granted, err := third.lock()
			return err == nil && granted
		})
		if _, err := third.unlock(); err != nil {
			t.Error(err)
		}
		return
	}
	t.Error("two minutes of tries, and the machine was too slow in each")
}

// pairs holds two agents in each pair in turn.
func pairs(t *testing.T, sessions string, try func(t *testing.T, pair string, behind, ahead *sidecar)) {
	mc, rd := memcachedServer(t), redisServer(t)
	f := newFleet(t, 2, setting{sessions: sessions, old: memcachedAt(mc), new: redisAt(rd), apart: true})
	behind, ahead := f.agents[0], f.agents[1]
	epoch, floor := uint64(1), 0
	for i := range len(way) - 1 {
		epoch++
		d := only(way[i+1], epoch)
		floor = max(floor, d.CutoverFloor)
		d.CutoverFloor = floor
		f.publish(ahead, d)
		f.acknowledged(ahead, epoch)
		try(t, fmt.Sprintf("%v and %v", way[i], way[i+1]), behind, ahead)
		if t.Failed() {
			return // the next pairs would wait for what this one left
		}
		f.publish(behind, d)
		f.acknowledged(behind, epoch)
	}
}

// count has 50 connections that increment one session, all at once and again.
func count(t *testing.T, clients string, behind, ahead *sidecar) {
	const connections = 50
	rounds := 3
	if long {
		rounds = 40
	}
	id := fmt.Sprintf("%026d", rand.Uint64())
	all := make([]locker, connections)
	for i := range all {
		name := clients
		if name == "both" {
			name = []string{"memcached", "redis"}[i/2%2]
		}
		all[i] = lockers[name](t, []*sidecar{behind, ahead}[i%2], id)
	}
	if err := all[0].set("n|i:0;"); err != nil {
		t.Fatal(err)
	}
	var (
		holders  atomic.Int32
		refusals atomic.Int64
		wg       sync.WaitGroup
		start    = make(chan struct{})
		limit    = time.Now().Add(60 * time.Second)
		began    = time.Now()
	)
	one := func(l locker) error {
		for {
			granted, err := l.lock()
			if err != nil {
				return fmt.Errorf("lock: %w", err)
			}
			if granted {
				break
			}
			refusals.Add(1)
			if time.Now().After(limit) {
				return errors.New("lock: refused for a minute")
			}
			time.Sleep(time.Duration(1+rand.IntN(20)) * time.Millisecond) // as PHP does it, only sooner
		}
		n := holders.Add(1)
		err := increment(l)
		holders.Add(-1) // before the unlock: from there on another may hold it
		released, e := l.unlock()
		if n != 1 {
			err = errors.Join(err, fmt.Errorf("%d holders of one lock", n))
		}
		if !released {
			err = errors.Join(err, errors.New("the lock was gone at the unlock"))
		}
		return errors.Join(err, e)
	}
	for i, l := range all {
		wg.Go(func() {
			<-start
			for range rounds {
				if err := one(l); err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	close(start)
	wg.Wait()
	for i, l := range all[:4] { // both agents, both protocols
		got, _, err := l.get()
		if want := fmt.Sprintf("n|i:%d;", connections*rounds); err != nil || got != want {
			t.Errorf("connection %d, in the end: got %q, %v, want %q", i, got, err, want)
		}
	}
	t.Logf("%d increments in %v, %d refusals", connections*rounds, time.Since(began).Round(time.Millisecond), refusals.Load())
}

func increment(l locker) error {
	was, found, err := l.get()
	if err != nil || !found {
		return fmt.Errorf("get: found %v: %w", found, err)
	}
	var n int
	if _, err := fmt.Sscanf(was, "n|i:%d;", &n); err != nil {
		return fmt.Errorf("got %q: %w", was, err)
	}
	return l.set(fmt.Sprintf("n|i:%d;", n+1))
}
