package storytest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/ledger"
)

// crowd is users with sessions. Workers, as PHP's processes, serve their clicks,
// each through any agent, under the session's lock.
type crowd struct {
	agents []*process
	book   ledger.Ledger
	judge  judge
	users  []*user
	wait   time.Duration // between two clicks of a worker

	ops, clicks, logins, logouts atomic.Int64
	refused, lockRefused         atomic.Int64

	stop context.CancelFunc
	wg   sync.WaitGroup

	mu   sync.Mutex // guards dead
	dead []*visit   // sessions that were logged out
}

// user is somebody with a browser. Most click on one page at a time.
type user struct {
	n    int
	busy atomic.Int32

	mu     sync.Mutex // guards what follows
	now    *visit
	visits int
}

// visit is one session, from login to logout.
type visit struct {
	id    string
	s     *ledger.Session
	count atomic.Int64 // of writes

	mu    sync.Mutex // guards acked
	acked time.Time  // when its last write, or logout, was acknowledged
}

func (v *visit) wrote() { v.mu.Lock(); v.acked = time.Now(); v.mu.Unlock() }

func (v *visit) last() time.Time { v.mu.Lock(); defer v.mu.Unlock(); return v.acked }

// lockPatience is how long a click waits for the session's lock.
const lockPatience = 2 * time.Second

// newCrowd lets workers serve so many users until finish is called.
func newCrowd(f *fleet, users, workers int, wait time.Duration) *crowd {
	c := &crowd{agents: f.agents, wait: wait}
	for i := range users {
		c.users = append(c.users, &user{n: i})
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	f.t.Cleanup(c.finish)
	for i := range workers {
		c.wg.Go(func() { c.worker(ctx, rand.New(rand.NewPCG(uint64(i), 11))) })
	}
	return c
}

// finish lets every click end.
func (c *crowd) finish() {
	c.stop()
	c.wg.Wait()
}

func (c *crowd) worker(ctx context.Context, rng *rand.Rand) {
	wires := make([]*wire, len(c.agents))
	for i, a := range c.agents {
		wires[i] = &wire{addr: a.addr}
		defer wires[i].close()
	}
	for ctx.Err() == nil {
		u := c.users[rng.IntN(len(c.users))]
		// One in twenty has a second tab open; else a user waits for the answer.
		if u.busy.Load() > 0 && rng.IntN(20) > 0 {
			continue
		}
		u.busy.Add(1)
		c.click(u, wires[rng.IntN(len(wires))], rng)
		u.busy.Add(-1)
		time.Sleep(time.Duration(rng.Float64() * 2 * float64(c.wait)))
	}
}

// visit gives the user's session, a new one where he has none.
func (c *crowd) visit(u *user) *visit {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.now == nil {
		u.visits++
		id := fmt.Sprintf("u%d-%d", u.n, u.visits)
		u.now = &visit{id: id, s: c.book.Session(id)}
		c.logins.Add(1)
	}
	return u.now
}

// click is one page: lock, read, write or touch, unlock; now and then a logout,
// or a look at a session that was logged out before.
func (c *crowd) click(u *user, w *wire, rng *rand.Rand) {
	c.clicks.Add(1)
	if rng.IntN(25) == 0 {
		if v := c.anyDead(rng); v != nil {
			c.read(w, v)
			return
		}
	}
	v := c.visit(u)
	for began := time.Now(); ; time.Sleep(30 * time.Millisecond) {
		c.ops.Add(1)
		granted, err := w.lock(v.id)
		if err != nil {
			c.refused.Add(1)
			return
		}
		if granted {
			break
		}
		if time.Since(began) > lockPatience {
			c.lockRefused.Add(1)
			return
		}
	}
	defer func() {
		c.ops.Add(1)
		if w.unlock(v.id) != nil {
			c.refused.Add(1)
		}
	}()
	found, ok := c.read(w, v)
	switch {
	case !ok:
	case found && rng.IntN(40) == 0:
		c.logout(u, w, v)
	case found && rng.IntN(3) == 0:
		c.ops.Add(1)
		if w.touch(v.id) != nil {
			c.refused.Add(1)
		}
	default:
		c.write(w, v)
	}
}

// read asks for a session and lets the ledger judge.
func (c *crowd) read(w *wire, v *visit) (found, ok bool) {
	c.ops.Add(1)
	// Before the read begins: what is acknowledged later may be in the answer or not.
	last, began := v.last(), time.Now()
	r := v.s.Read()
	value, found, err := w.get(v.id)
	switch {
	case err != nil:
		r.Failed()
		return false, false
	case found:
		err = r.Found(value)
	default:
		err = r.Missing()
	}
	if err != nil {
		c.judge.found(err, v.id, last, began)
	}
	return found, true
}

func (c *crowd) write(w *wire, v *visit) {
	c.ops.Add(1)
	change := v.s.Write(fmt.Sprintf("%s:%d:%0120d", v.id, v.count.Add(1), 0))
	if err := w.set(v.id, change.Value()); err != nil {
		change.Failed()
		return
	}
	change.Acknowledged()
	v.wrote()
}

func (c *crowd) logout(u *user, w *wire, v *visit) {
	c.ops.Add(1)
	change := v.s.Delete()
	err := w.delete(v.id)
	if err != nil {
		change.Failed()
	} else {
		change.Acknowledged()
		v.wrote()
		c.logouts.Add(1)
	}
	u.mu.Lock()
	if u.now == v {
		u.now = nil // the next click is a login
	}
	u.mu.Unlock()
	if err == nil {
		c.mu.Lock()
		c.dead = append(c.dead, v)
		c.mu.Unlock()
	}
}

// anyDead gives one of those that were logged out, the newest half of the time.
func (c *crowd) anyDead(rng *rand.Rand) *visit {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.dead)
	if n == 0 {
		return nil
	}
	if rng.IntN(2) == 0 {
		return c.dead[n-1-rng.IntN(min(n, 20))]
	}
	return c.dead[rng.IntN(n)]
}

// everybody reads each session once through each agent, those that were logged
// out too: nobody may have been forgotten.
func (c *crowd) everybody() {
	var all []*visit
	for _, u := range c.users {
		u.mu.Lock()
		if u.now != nil {
			all = append(all, u.now)
		}
		u.mu.Unlock()
	}
	c.mu.Lock()
	all = append(all, c.dead[max(0, len(c.dead)-2000):]...)
	c.mu.Unlock()
	var wg sync.WaitGroup
	for _, a := range c.agents {
		wg.Go(func() {
			w := &wire{addr: a.addr}
			defer w.close()
			for _, v := range all {
				c.read(w, v)
			}
		})
	}
	wg.Wait()
}
