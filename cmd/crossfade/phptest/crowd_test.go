package phptest

import (
	"fmt"
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

// user is one person: what the browser and the head remember.
type user struct {
	life   string // one login's name: the session in the ledger
	cookie string
	n      int // the counter that was seen last
	turn   int // whose turn it is behind the balancer
}

// ask asks for a page; a failure is what nobody may see.
func (c *crowd) ask(u *user, op string) (reply, error) {
	u.turn++
	s := &c.hosts[u.turn%len(c.hosts)]
	h, p := s.take(), c.place.Load()
	defer h.inflight.Add(-1)
	began := time.Now()
	r, err := h.ask(op, u.cookie, u.life)
	if op == "click" || op == "renew" {
		p.clicks.Add(1)
		p.mu.Lock()
		p.took = append(p.took, time.Since(began))
		p.mu.Unlock()
	}
	if err != nil {
		c.fail("at %s, through %s: %v", p.name, h.name, err)
		return r, err
	}
	if r.cookie != "" {
		u.cookie = r.cookie
	}
	return r, nil
}

func (c *crowd) fail(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, fmt.Sprintf(format, args...))
}

// login makes a session. PHP makes one id, and at once another.
func (c *crowd) login(turn int) *user {
	u := &user{life: fmt.Sprintf("u%d", c.logins.Add(1)), turn: turn}
	w := c.book.Session(u.life).Write(u.value(0))
	r, err := c.ask(u, "login")
	if err != nil {
		w.Failed()
		return nil
	}
	w.Acknowledged()
	if r.before != "" {
		c.changed(u, r.before)
	}
	return u
}

func (u *user) value(n int) string { return fmt.Sprintf("%s:%d", u.life, n) }

// changed notes an id that is no longer anybody's.
func (c *crowd) changed(u *user, cookie string) {
	id := user{life: u.life + " as " + cookie, cookie: cookie}
	c.book.Session(id.life).Delete().Acknowledged()
	c.bury(id)
}

func (c *crowd) bury(u user) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = append(c.dead, u)
}

// click counts one up: a read and a write under PHP's lock. False: the session
// is not what it was.
func (c *crowd) click(u *user, op string) bool {
	s := c.book.Session(u.life)
	read, write := s.Read(), s.Write(u.value(u.n+1))
	was := u.cookie
	r, err := c.ask(u, op)
	switch {
	case err != nil:
		write.Failed()
		return false
	case r.Missing:
		read.Missing()
		return false
	}
	seen := r
	seen.N--
	read.Found(seen.value())
	if r.value() != write.Value() {
		return false
	}
	write.Acknowledged()
	u.n++
	if op == "renew" {
		if u.cookie == was {
			c.fail("session_regenerate_id gave no new id")
			return false
		}
		c.changed(u, was)
	}
	return true
}

// look reads.
func (c *crowd) look(u *user) {
	read := c.book.Session(u.life).Read()
	r, err := c.ask(u, "read")
	switch {
	case err != nil:
		read.Failed()
	case r.Missing:
		read.Missing()
	default:
		read.Found(r.value())
	}
}

func (c *crowd) logout(u *user) {
	w := c.book.Session(u.life).Delete()
	r, err := c.ask(u, "logout")
	if err != nil {
		w.Failed()
		return
	}
	if r.Missing {
		c.fail("%s wanted to log out, and was told to be nobody", u.life)
	}
	w.Acknowledged()
	c.bury(*u)
}

// seance looks at all who logged out, and whose ids were changed.
func (c *crowd) seance() int {
	c.mu.Lock()
	dead := slices.Clone(c.dead)
	c.mu.Unlock()
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

func (c *crowd) user(i int, rng *rand.Rand) {
	var u *user
	for {
		select {
		case <-c.stop:
			if u != nil {
				c.look(u)
			}
			return
		case <-time.After(time.Duration(rng.Float64() * 2 * float64(c.pause))):
		}
		switch {
		case u == nil:
			u = c.login(i)
		case rng.IntN(50) == 0:
			c.logout(u)
			u = nil
		case rng.IntN(50) == 0:
			if !c.click(u, "renew") {
				u = nil
			}
		case rng.IntN(20) == 0:
			c.look(u)
		default:
			if !c.click(u, "click") {
				u = nil
			}
		}
	}
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
	if n := c.book.Refused.Load() + int64(len(c.failed)); n > 0 {
		c.t.Errorf("%d requests failed", n)
	}
	c.t.Logf("%s; PHP warnings: %d; logged out or changed: %d", c.book.String(), warnings, len(c.dead))
}
