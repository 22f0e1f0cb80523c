package phptest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

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
		c.failedOne(began, "at %s, through %s: %v", p.name, h.name, err)
		return r, err
	}
	if r.cookie != "" {
		u.cookie = r.cookie
	}
	return r, nil
}

// failedOne notes a request that failed, and that the book will count as refused.
func (c *crowd) failedOne(began time.Time, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wasCut(began) {
		c.cutOff++
		return
	}
	c.failed = append(c.failed, fmt.Sprintf(format, args...))
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
