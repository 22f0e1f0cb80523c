package phptest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/ledger"
)

// crowd is people with browsers. Each clicks on one page at a time; whose
// click goes to which host is the balancer's choice.
type crowd struct {
	t     testing.TB
	book  ledger.Ledger
	pause time.Duration // between two clicks, on average
	hosts [2]slot
	place atomic.Pointer[place] // where the migration is now

	logins atomic.Int64
	stop   chan struct{}
	end    sync.Once
	wg     sync.WaitGroup

	mu     sync.Mutex // guards what follows
	places []*place
	dead   []user // logged out, or an id that was changed
	failed []string
	cuts   []cut
	cutOff int64 // requests that failed in one of the cuts
}

// cut is the death of a part of old, from just before to just after: what was
// under way there fails, as it does without Crossfade.
type cut struct{ from, to time.Time }

// kill has a part of old killed while requests are under way.
func (c *crowd) kill(fn func()) {
	c.mu.Lock()
	at := len(c.cuts)
	// Requests fail before fn has seen the end of what it killed.
	c.cuts = append(c.cuts, cut{time.Now(), time.Now().Add(time.Minute)})
	c.mu.Unlock()
	fn()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cuts[at].to = time.Now()
}

// wasCut tells whether a request that began then, and has failed, was under way
// in a cut. The caller holds mu.
func (c *crowd) wasCut(began time.Time) bool {
	for _, k := range c.cuts {
		// A connection that has just been used is not looked at before the next use.
		if began.Before(k.to.Add(time.Second)) && time.Now().After(k.from) && time.Since(k.to) < 20*time.Second {
			return true
		}
	}
	return false
}

// slot is a place behind the balancer.
type slot struct {
	mu sync.Mutex // guards h
	h  *host
}

func (s *slot) take() *host {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.h.inflight.Add(1)
	return s.h
}

// put moves the balancer to another host, and waits until the one before has
// answered what it was asked.
func (s *slot) put(t testing.TB, h *host) (before *host) {
	s.mu.Lock()
	before, s.h = s.h, h
	s.mu.Unlock()
	if before != nil {
		poll(t, 20*time.Second, before.name+" to have answered", func() bool { return before.inflight.Load() == 0 })
	}
	return before
}

// place is where the migration was while pages took as long as this.
type place struct {
	name   string
	clicks atomic.Int64
	mu     sync.Mutex // guards took
	took   []time.Duration
}

func (p *place) quantile(q float64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.took) == 0 {
		return 0
	}
	slices.Sort(p.took)
	return p.took[int(q*float64(len(p.took)-1))]
}

// at tells where the migration is from now on.
func (c *crowd) at(name string) {
	p := &place{name: name}
	c.mu.Lock()
	c.places = append(c.places, p)
	c.mu.Unlock()
	c.place.Store(p)
}

// clicks is how many there were, everywhere.
func (c *crowd) clicks() (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.places {
		n += p.clicks.Load()
	}
	return n
}

// until waits for so many clicks at this place.
func (c *crowd) until(clicks int64) {
	c.t.Helper()
	p := c.place.Load()
	for end := time.Now().Add(time.Minute); p.clicks.Load() < clicks; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.judge()
			c.t.Fatalf("%d clicks at %s in a minute, want %d", p.clicks.Load(), p.name, clicks)
		}
	}
}

// seance looks at those who logged out, and whose ids were changed: all, or
// so many, the last ones and others from any time before.
func (c *crowd) seance(most int) int {
	c.mu.Lock()
	dead := slices.Clone(c.dead)
	c.mu.Unlock()
	if len(dead) > most {
		old := dead[:len(dead)-most/2]
		rand.Shuffle(len(old), func(i, j int) { old[i], old[j] = old[j], old[i] })
		dead = dead[len(dead)-most:]
	}
	for i := range dead {
		dead[i].turn = i
	}
	each(8, dead, func(u *user) { c.look(u) })
	return len(dead)
}

// each does f for all, some at a time.
func each(workers int, users []user, f func(*user)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(users); i = int(next.Add(1)) - 1 {
				f(&users[i])
			}
		})
	}
	wg.Wait()
}

// logins logs so many in, who then sit idle.
func (c *crowd) loginMany(n int) []user {
	us := make([]user, n)
	each(8, us, func(u *user) {
		if got := c.login(rand.IntN(2)); got != nil {
			*u = *got
		}
	})
	return us
}

// start lets n users click until finish is called.
func (c *crowd) start(n int) {
	c.stop = make(chan struct{})
	c.t.Cleanup(c.finish)
	for i := range n {
		c.wg.Go(func() { c.user(i, rand.New(rand.NewPCG(uint64(i), 7))) })
	}
}

// finish lets everybody click once more, and waits for them.
func (c *crowd) finish() {
	c.end.Do(func() { close(c.stop) })
	c.wg.Wait()
}

// judge ends the test's story: nobody may have noticed anything.
func (c *crowd) judge(hosts ...*host) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	warnings := 0
	for _, h := range hosts {
		w := h.warnings()
		warnings += len(w)
		for _, line := range w[:min(len(w), 10)] {
			c.t.Errorf("%s: %s", h.name, line)
		}
	}
	for _, p := range c.places {
		if len(p.took) > 0 {
			c.t.Logf("%-36s %6d clicks, p50 %6.1f ms, p99 %6.1f ms", p.name, p.clicks.Load(),
				p.quantile(0.5).Seconds()*1000, p.quantile(0.99).Seconds()*1000)
		}
	}
	for _, f := range c.failed[:min(len(c.failed), 20)] {
		c.t.Error(f)
	}
	if c.book.Broken() {
		c.t.Errorf("users noticed:\n%s", strings.Join(c.book.Findings(), "\n"))
	}
	if n := c.book.Refused.Load() + int64(len(c.failed)) - c.cutOff; n > 0 {
		c.t.Errorf("%d requests failed", n)
	}
	c.t.Logf("%s; PHP warnings: %d; logged out or changed: %d", c.book.Line(c.cutOff), warnings, len(c.dead))
}
