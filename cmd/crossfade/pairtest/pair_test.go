package pairtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memcached/pair"
	"github.com/seed-41165957/crossfade/darklaunch/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	agents   = 3
	clients  = 12
	callTime = 1500 * time.Millisecond
	patience = 60 * time.Second // for what follows a fault: the machine may be busy
)

// site is a pair, its agents, and clients that never rest.
type site struct {
	*testing.T
	servers [2]*localserver.Server
	agents  []*pair.Store
	book    ledger.Ledger
	acked   atomic.Int64 // writes and deletes
	read    atomic.Int64 // reads that had an answer
	lives   [clients]atomic.Int64
	leave   func() // ends the clients
}

func newSite(t *testing.T) *site {
	s := &site{T: t}
	for i := range s.servers {
		s.servers[i] = backendtest.Memcached(t)
	}
	for range agents {
		p, err := pair.New(pair.Options{Migration: "m", Members: [2]string{s.servers[0].Addr(), s.servers[1].Addr()}, DialTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Close() })
		s.agents = append(s.agents, p)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { s.write(ctx, i) })
		wg.Go(func() { s.watch(ctx, i) })
		wg.Go(func() { s.copy(ctx, i) })
	}
	s.leave = func() { stop(); wg.Wait() }
	t.Cleanup(s.leave)
	return s
}

func (s *site) any() *pair.Store { return s.agents[rand.IntN(len(s.agents))] }

func name(client int, life int64) string { return fmt.Sprintf("sess:%d-%d", client, life) }

// write is one user who logs in, writes, and logs out, or only leaves, each time
// through any agent. A session that nobody writes any more is what a filling must
// bring.
func (s *site) write(ctx context.Context, client int) {
	for ctx.Err() == nil {
		life := s.lives[client].Add(1)
		id := name(client, life)
		sess := s.book.Session(id)
		for n := range 1 + rand.IntN(30) {
			w := sess.Write(fmt.Sprintf("%s write %d", id, n))
			s.change(ctx, w, func(ctx context.Context, p *pair.Store) error {
				return p.Set(ctx, backends.Session{Key: backends.Key{Name: id}, Data: []byte(w.Value()), Deadline: time.Now().Add(time.Hour)})
			})
		}
		if life%2 == 0 {
			continue
		}
		s.change(ctx, sess.Delete(), func(ctx context.Context, p *pair.Store) error {
			_, err := p.Delete(ctx, backends.Key{Name: id})
			return err
		})
		for range 5 { // it must stay away
			s.look(ctx, id)
		}
	}
}

func (s *site) change(ctx context.Context, w *ledger.Write, do func(context.Context, *pair.Store) error) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	if err := do(call, s.any()); err != nil {
		w.Failed()
	} else {
		w.Acknowledged()
		s.acked.Add(1)
	}
	rest(ctx)
}

// watch reads what the user of that number writes, or wrote, or deleted, earlier.
func (s *site) watch(ctx context.Context, client int) {
	for ctx.Err() == nil {
		life := s.lives[client].Load()
		s.look(ctx, name(client, life))
		s.look(ctx, name(client, rand.Int64N(life+1)))
	}
}

// copy does what a repair does: it writes what it has found, guarded. It must
// stand over no write, on no member.
func (s *site) copy(ctx context.Context, client int) {
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
		k := backends.Key{Name: name(client, s.lives[client].Load())}
		if g, err := s.any().Guard(call, k, time.Now().Add(callTime)); err == nil {
			if rec := g.Record(); rec.Found {
				g.Swap(call, rec.Session)
			}
			g.Release()
		}
		cancel()
		rest(ctx)
	}
}

func (s *site) look(ctx context.Context, id string) {
	r := s.book.Session(id).Read()
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	got, found, err := s.any().Get(call, backends.Key{Name: id})
	switch {
	case err != nil:
		r.Failed()
	case found:
		s.read.Add(1)
		if err := r.Found(string(got.Data)); err != nil {
			s.Errorf("%v", err)
		}
	default:
		s.read.Add(1)
		if err := r.Missing(); err != nil {
			s.Errorf("%v", err)
		}
	}
	rest(ctx)
}

func rest(ctx context.Context) {
	select {
	case <-time.After(time.Duration(rand.IntN(10)) * time.Millisecond):
	case <-ctx.Done():
	}
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) until(what string, ok func() bool) {
	s.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// goesOn waits until clients have had some hundred answers to each kind of call.
func (s *site) goesOn(when string) {
	s.Helper()
	writes, reads := s.acked.Load(), s.read.Load()
	s.until(when+": writes and reads go on", func() bool { return s.acked.Load() > writes+200 && s.read.Load() > reads+400 })
}

// whole waits until each agent goes by both members.
func (s *site) whole() {
	s.Helper()
	for _, p := range s.agents {
		note := ""
		s.until("the member that came back is whole again: "+note, func() bool {
			ctx, cancel := context.WithTimeout(s.Context(), time.Second)
			defer cancel()
			h, err := p.Health(ctx)
			note = h.Note
			return err == nil && note == ""
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel() // it waits more than it works
	rounds := 1
	if os.Getenv("CROSSFADE_LONG") == "1" {
		rounds = 20
	}
	s := newSite(t)
	s.goesOn("both are up")
	for range rounds {
		for i, one := range s.servers {
			other := s.servers[1-i]
			s.must(one.Kill())
			s.goesOn(fmt.Sprintf("member %d is dead", i))
			s.must(one.Restart(t.Context()))
			s.goesOn(fmt.Sprintf("member %d is back, empty", i))
			s.whole()
			s.must(one.Freeze())
			s.goesOn(fmt.Sprintf("member %d stands still", i))
			s.must(one.Thaw())
			s.goesOn(fmt.Sprintf("member %d goes on, and is behind", i))
			s.whole()
			s.must(other.Restart(t.Context())) // at once: nearly nobody sees it refuse
			s.goesOn(fmt.Sprintf("member %d, which was behind, has it all alone", i))
			s.whole()
		}
	}
	s.leave()
	t.Log(s.book.String())
	if s.book.Broken() {
		t.Error(strings.Join(s.book.Findings(), "\n"))
	}
	s.alike()
}

// alike compares what the members hold, once the clients have left.
func (s *site) alike() {
	var stores [2]*memcached.Store
	for i, one := range s.servers {
		stores[i] = memcached.New(one.Addr(), memcached.Options{Migration: "m"})
		defer stores[i].Close()
	}
	for c := range clients {
		for life := s.lives[c].Load(); life > 0; life-- {
			k := backends.Key{Name: name(c, life)}
			var got [2]string
			for i, one := range stores {
				sess, found, err := one.Get(s.Context(), k)
				s.must(err)
				got[i] = fmt.Sprint(found, string(sess.Data))
			}
			if got[0] != got[1] && life < s.lives[c].Load()-1 {
				s.Errorf("session %s: the members hold %q and %q", k.Name, got[0], got[1])
			}
		}
	}
}
