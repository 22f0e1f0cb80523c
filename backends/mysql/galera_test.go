package mysql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
)

// TestGalera is all that needs a cluster, which is started once.
func TestGalera(t *testing.T) {
	c, err := localserver.Galera(t.Context(), 3, tables(t)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	a, b, d := c.Nodes[0].Addr(), c.Nodes[1].Addr(), c.Nodes[2].Addr()
	t.Run("suite", func(t *testing.T) {
		backendtest.Run(t, func(t *testing.T) backends.Store { return opened(t, Options{}, a, b, d) }, backendtest.Options{})
	})
	t.Run("seen through another node", func(t *testing.T) { seen(t, opened(t, Options{}, a), opened(t, Options{}, b)) })
	t.Run("one row through two nodes", func(t *testing.T) { contend(t, opened(t, Options{}, a), opened(t, Options{}, b)) })
	t.Run("guards on two nodes", func(t *testing.T) { guards(t, opened(t, Options{}, a), opened(t, Options{}, b)) })
	t.Run("twins", func(t *testing.T) { twins(t, opened(t, Options{}, a), opened(t, Options{}, b)) })
	t.Run("a node killed", func(t *testing.T) {
		killed(t, c, opened(t, Options{DialTimeout: 250 * time.Millisecond, Probe: 200 * time.Millisecond}, a, b, d))
	})
	t.Run("no primary component", func(t *testing.T) { lonely(t, c) })
}

func session(name, data string) backends.Session {
	return backends.Session{Key: backends.Key{Name: name}, Data: []byte(data), Deadline: time.Now().Add(time.Hour)}
}

// seen wants each acknowledged change seen through the other node at once.
func seen(t *testing.T, a, b *Store) {
	ctx := t.Context()
	for i := range 100 {
		want := strconv.Itoa(i)
		if err := a.Set(ctx, session("seen", want)); err != nil {
			t.Fatal(err)
		}
		if got, found, err := b.Get(ctx, backends.Key{Name: "seen"}); err != nil || !found || string(got.Data) != want {
			t.Fatalf("write %d through another node: got %q, %v, %v", i, got.Data, found, err)
		}
		if found, err := b.Delete(ctx, backends.Key{Name: "seen"}); err != nil || !found {
			t.Fatalf("delete %d through another node: got %v, %v", i, found, err)
		}
		if _, found, err := a.Get(ctx, backends.Key{Name: "seen"}); err != nil || found {
			t.Fatalf("a deleted session through the first node: got %v, %v", found, err)
		}
		if ok, err := a.Lock(ctx, backends.Key{Name: "l"}, want, time.Minute); err != nil || !ok {
			t.Fatalf("lock %d: %v, %v", i, ok, err)
		}
		if ok, err := b.Unlock(ctx, backends.Key{Name: "l"}, want); err != nil || !ok {
			t.Fatalf("unlock %d through another node: %v, %v", i, ok, err)
		}
	}
}

// contend writes one row through two nodes: conflicts are mended here, and no
// writer is told of one.
func contend(t *testing.T, stores ...*Store) {
	var wg sync.WaitGroup
	for n, s := range stores {
		for w := range 3 {
			wg.Go(func() {
				for i := range 60 {
					if err := s.Set(t.Context(), session("contended", fmt.Sprint(n, w, i))); err != nil {
						t.Errorf("set: %v", err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

// guards wants one of two guards of one absent session to win, wherever they
// are, and no guarded write to live through a delete that was acknowledged.
func guards(t *testing.T, a, b *Store) {
	ctx := t.Context()
	for i := range 200 {
		k := backends.Key{Name: fmt.Sprint("guarded", i)}
		var won atomic.Int32
		var wg sync.WaitGroup
		var both []backends.Guard
		for _, s := range []*Store{a, b} { // both stand before the first swap
			g, err := s.Guard(ctx, k, time.Now().Add(10*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			both = append(both, g)
		}
		for _, g := range both {
			wg.Go(func() {
				defer g.Release()
				switch err := g.Swap(ctx, session(k.Name, "x")); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, backends.ErrConflict):
					t.Errorf("swap: %v", err)
				}
			})
		}
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("%d of 2 guards on two nodes won, want 1", n)
		}
		// An absent session: a copy on one node, a delete on the other.
		k = backends.Key{Name: fmt.Sprint("buried", i)}
		var swapped error
		g, err := a.Guard(ctx, k, time.Now().Add(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer g.Release()
			if swapped = g.Swap(ctx, session(k.Name, "back")); swapped != nil && !errors.Is(swapped, backends.ErrConflict) {
				t.Errorf("swap: %v", swapped)
			}
		})
		found, err := b.Bury(ctx, k, time.Minute)
		if err != nil {
			t.Fatalf("bury: %v", err)
		}
		wg.Wait()
		if rec, err := a.Read(ctx, k); err != nil || rec.Found || !rec.Gone {
			_, derr := a.Delete(ctx, k)
			after, _ := a.Read(ctx, k)
			t.Fatalf("after a delete (which found %v; the swap: %v): got found %v, gone %v, %v; then a delete: %v, gone %v", found, swapped, rec.Found, rec.Gone, err, derr, after.Gone)
		}
	}
}

// twins wants no doubt ended that is about a call to another node of the same
// host name and port (containers of one image): that one is still there, and
// what it was sent may arrive.
func twins(t *testing.T, a, b *Store) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ha, err := a.Health(ctx)
	if err != nil {
		t.Fatal(err)
	}
	hb, err := b.Health(ctx)
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(ha.RunID, "/")
	node := hb.RunID[strings.LastIndex(hb.RunID, "/")+1:]
	if err := a.Settle(ctx, "id:999999", name+"/1/"+node); err == nil {
		t.Error("settled, with the node that was sent the call in the cluster")
	}
}

// killed kills the node in use under writers: each write that was acknowledged
// is there, through another node, and writing goes on.
func killed(t *testing.T, c *localserver.Cluster, s *Store) {
	const writers = 8
	var acked [writers]atomic.Int64 // the last acknowledged write
	var tried [writers]atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var unknowns atomic.Int64
	var mu sync.Mutex
	var doubts []*backends.Unknown
	for w := range writers {
		wg.Go(func() {
			for i := int64(1); ctx.Err() == nil; i++ {
				tried[w].Store(i)
				wctx, done := context.WithTimeout(t.Context(), time.Second)
				err := s.Set(wctx, session(fmt.Sprint("writer", w), strconv.FormatInt(i, 10)))
				done()
				if u, ok := backends.IsUnknown(err); ok {
					unknowns.Add(1)
					mu.Lock()
					doubts = append(doubts, u)
					mu.Unlock()
				}
				if err == nil {
					acked[w].Store(i)
				}
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	if err := c.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	var before [writers]int64
	for w := range writers {
		before[w] = acked[w].Load()
	}
	on := func() bool {
		for w := range writers {
			if acked[w].Load() <= before[w]+1 {
				return false
			}
		}
		return true
	}
	for !on() && time.Since(begin) < time.Minute {
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(begin)
	cancel()
	wg.Wait()
	if !on() {
		t.Errorf("writers do not go on a minute after a node was killed")
	}
	t.Logf("writers went on after %v; %d unknown outcomes", took, unknowns.Load())
	other := opened(t, Options{}, c.Nodes[2].Addr())
	for w := range writers {
		got, found, err := other.Get(t.Context(), backends.Key{Name: fmt.Sprint("writer", w)})
		n, _ := strconv.ParseInt(string(got.Data), 10, 64)
		if err != nil || !found || n < acked[w].Load() || n > tried[w].Load() {
			t.Errorf("writer %d: got %d, %v, %v, want the acknowledged %d or up to %d", w, n, found, err, acked[w].Load(), tried[w].Load())
		}
	}
	for _, u := range doubts {
		sctx, done := context.WithTimeout(t.Context(), 30*time.Second)
		if err := u.Settle(sctx); err != nil {
			t.Errorf("settle of a call to a node that is gone: %v", err)
		}
		done()
	}
	// The node comes back, and is used again.
	if err := c.Nodes[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); s.active.Load() != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the preferred node is back, and not used")
		}
		if _, _, err := s.Get(t.Context(), backends.Key{Name: "writer0"}); err != nil {
			t.Fatal(err)
		}
	}
}

// lonely wants an error of a node without its cluster, never a miss.
func lonely(t *testing.T, c *localserver.Cluster) {
	s := opened(t, Options{}, c.Nodes[2].Addr())
	if err := s.Set(t.Context(), session("lonely", "x")); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.Nodes[:2] { // both at once, so that the third has no majority
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	var first error
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, found, err := s.Get(ctx, backends.Key{Name: "lonely"})
		cancel()
		if err == nil && !found {
			t.Fatal("a node without its cluster said that a session is missing")
		}
		if err != nil && strings.Contains(err.Error(), "primary component") {
			first = err
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the node goes on alone: last %v", err)
		}
	}
	t.Log(first)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := s.Set(ctx, session("lonely", "y"))
	if err == nil {
		t.Error("a write to a node without its cluster was acknowledged")
	}
	if _, unknown := backends.IsUnknown(err); unknown {
		t.Errorf("got an Unknown for what the node refuses: %v", err)
	}
}
