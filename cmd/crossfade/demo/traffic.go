package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/ledger"
)

// client is what a user's requests go through: one agent, or in the naive way
// the two stores.
type client interface {
	get(ctx context.Context, id string) (value string, found bool, err error)
	set(ctx context.Context, id, value string) error
	touch(ctx context.Context, id string) (found bool, err error)
	add(ctx context.Context, id string) (stored bool, err error)
	delete(ctx context.Context, id string) error
	lock(ctx context.Context, id, token string) (granted bool, err error)
	unlock(ctx context.Context, id, token string) error
}

// traffic is a crowd of users who log in, click, idle, change their id and log
// out, as PHP does it: lock, read, write or touch, unlock. What they were told
// is judged by the ledger, and nothing else is.
type traffic struct {
	agents []client // a user's clicks go to them in turn
	book   *ledger.Ledger
	pause  time.Duration // between two clicks of a user, on average

	allow   allowance
	misses  atomic.Int64
	excused atomic.Int64 // refusals that the faults of the moment explain
	clicks  atomic.Int64

	wg   sync.WaitGroup
	stop chan struct{}
	ids  atomic.Int64

	mu  sync.Mutex // guards out
	out []string   // ids that have logged out and must stay out
}

// allowance tells which refusals the present fault explains, by DESIGN's table.
type allowance struct {
	locks  atomic.Bool // old does not answer and is not declared down: no locks
	misses atomic.Bool // a read that only the store that is gone could answer
	writes atomic.Bool // writes in flight at the kill
}

func (t *traffic) newID(user int) string {
	return fmt.Sprintf("u%dx%d", user, t.ids.Add(1))
}

// start lets n users click until finish, and idle more log in only.
func (t *traffic) start(n int) {
	t.stop = make(chan struct{})
	for i := range n {
		t.wg.Go(func() { t.user(i, rand.New(rand.NewPCG(uint64(i), 7))) })
	}
}

func (t *traffic) finish() {
	close(t.stop)
	t.wg.Wait()
}

// user is one user, from the first login to the end of the show.
func (t *traffic) user(n int, rng *rand.Rand) {
	id, clicks := "", 0
	for {
		wait := time.Duration(rng.Float64() * 2 * float64(t.pause))
		select {
		case <-t.stop:
			return
		case <-time.After(wait):
		}
		clicks++
		c := t.agents[(n+clicks)%len(t.agents)]
		switch {
		case id == "":
			next := t.newID(n)
			if t.login(c, next) {
				id = next
			}
		case rng.IntN(60) == 0:
			if t.logout(c, id) {
				t.mu.Lock()
				t.out = append(t.out, id)
				t.mu.Unlock()
				id = ""
			}
		case rng.IntN(60) == 0: // session_regenerate_id(true)
			next := t.newID(n)
			if t.login(c, next) && t.logout(t.agents[clicks%len(t.agents)], id) {
				t.mu.Lock()
				t.out = append(t.out, id)
				t.mu.Unlock()
			}
			id = next
		case rng.IntN(20) == 0:
			t.lookAtTheDead(c, rng)
		default:
			t.click(c, id, rng.IntN(3) == 0)
		}
	}
}

// login makes an id as PHP does: an add of an empty value, then a set.
func (t *traffic) login(c client, id string) bool {
	ctx := context.Background()
	t.book.Requests.Add(1)
	stored, err := c.add(ctx, id)
	if err != nil {
		t.refused(&t.allow.writes)
		return false
	}
	if !stored {
		return false
	}
	w := t.book.Session(id).Write(t.value(id))
	if err := c.set(ctx, id, w.Value()); err != nil {
		w.Failed()
		t.excuse(&t.allow.writes)
		return false
	}
	w.Acknowledged()
	return true
}

func (t *traffic) value(id string) string { return fmt.Sprintf("%s:%d", id, t.clicks.Add(1)) }

// click is one page: lock, read, write or touch, unlock.
func (t *traffic) click(c client, id string, onlyRead bool) {
	ctx := context.Background()
	token := fmt.Sprintf("t%d", t.ids.Add(1))
	t.book.Requests.Add(1)
	granted, err := c.lock(ctx, id, token)
	if err != nil || !granted {
		t.refused(&t.allow.locks)
		return
	}
	defer func() {
		t.book.Requests.Add(1)
		if err := c.unlock(ctx, id, token); err != nil {
			t.refused(&t.allow.locks)
		}
	}()
	if !t.read(c, id) {
		return
	}
	if onlyRead {
		t.book.Requests.Add(1)
		if _, err := c.touch(ctx, id); err != nil {
			t.refused(&t.allow.writes)
		}
		return
	}
	w := t.book.Session(id).Write(t.value(id))
	if err := c.set(ctx, id, w.Value()); err != nil {
		w.Failed()
		t.excuse(&t.allow.writes)
		return
	}
	w.Acknowledged()
}

// read reads a session and lets the ledger judge. False: no session to go on
// with.
func (t *traffic) read(c client, id string) bool {
	r := t.book.Session(id).Read()
	value, found, err := c.get(context.Background(), id)
	switch {
	case err != nil:
		r.Failed()
		t.excuse(&t.allow.misses)
		return false
	case !found:
		t.misses.Add(1)
		r.Missing()
		return false
	}
	r.Found(value)
	return true
}

func (t *traffic) logout(c client, id string) bool {
	w := t.book.Session(id).Delete()
	if err := c.delete(context.Background(), id); err != nil {
		w.Failed()
		t.excuse(&t.allow.writes)
		return false
	}
	w.Acknowledged()
	return true
}

// lookAtTheDead reads a session that logged out some time ago.
func (t *traffic) lookAtTheDead(c client, rng *rand.Rand) {
	t.mu.Lock()
	id := ""
	if len(t.out) > 0 {
		id = t.out[rng.IntN(len(t.out))]
	}
	t.mu.Unlock()
	if id != "" {
		t.read(c, id)
	}
}

// refused counts a refusal of a request that the ledger does not see.
func (t *traffic) refused(why *atomic.Bool) {
	t.book.Refused.Add(1)
	t.excuse(why)
}

func (t *traffic) excuse(why *atomic.Bool) {
	if why.Load() {
		t.excused.Add(1)
	}
}
