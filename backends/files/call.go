package files

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// stripeCount is how many sessions can be worked on at once, at most. A stripe
// is held for the few system calls of one attempt, never while PHP has the
// session.
const stripeCount = 128

// stripe serialises the calls for the sessions that hash to it: inside this
// process by turn, among Crossfade's processes by the flock of a file.
type stripe struct {
	turn chan struct{} // one in it while somebody has the stripe
	fd   int           // used in turn; -1 until the first use
}

// stripeOf is FNV-1a: all processes of a host must agree.
func stripeOf(id string) int {
	h := uint32(2166136261)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return int(h % stripeCount)
}

// stripesOf are those of the ids, in order, each once.
func stripesOf(ids ...string) []int {
	out := make([]int, len(ids))
	for i, id := range ids {
		out[i] = stripeOf(id)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// The states of an attempt.
const (
	looking   = iota // nothing is changed yet
	changing         // from here on the outcome is unknown until it ends
	abandoned        // the caller left while looking: nothing may be changed
	ended
)

// attempt is one go at a call, in a goroutine of its own.
type attempt struct {
	store *Store

	mu      sync.Mutex
	state   int               // guarded by mu
	left    bool              // guarded by mu: the caller has gone
	unknown *backends.Unknown // guarded by mu: what it was told
}

// begin must be asked before anything is changed. It fails once the caller has
// left: what it was told then, that nothing was changed, stays true.
func (a *attempt) begin() error {
	a.mu.Lock()
	if a.state == abandoned {
		a.mu.Unlock()
		return errAbandoned
	}
	a.state = changing
	a.mu.Unlock()
	if a.store.stall != nil {
		a.store.stall(changing)
	}
	return nil
}

type outcome[T any] struct {
	value T
	err   error
}

// do runs f with the stripes of ids, and again for as long as somebody else
// holds a flock that f needs, until the context ends.
func do[T any](ctx context.Context, s *Store, ids []string, f func(*attempt) (T, error)) (T, error) {
	return doFor(ctx, s, ids, 0, f)
}

// doFor is do that gives up, with errHeld, when a flock was held for patience.
// Zero: when the context ends.
func doFor[T any](ctx context.Context, s *Store, ids []string, patience time.Duration, f func(*attempt) (T, error)) (T, error) {
	stripes := stripesOf(ids...)
	begin := time.Now()
	// PHP's requests take some ms and more; ours some 50 µs. The longest pause
	// is what a call may come late after PHP's request.
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 3*time.Millisecond) {
		v, err := once(ctx, s, stripes, f)
		if err != errHeld {
			return v, err
		}
		if patience > 0 && time.Since(begin) > patience {
			return v, errHeld
		}
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return v, ctx.Err()
		case <-s.stop:
			t.Stop()
			return v, backends.ErrClosed
		}
	}
}

// once is one attempt. It returns when the context ends, whatever the disk does.
func once[T any](ctx context.Context, s *Store, stripes []int, f func(*attempt) (T, error)) (none T, err error) {
	for i, n := range stripes {
		select {
		case s.stripes[n].turn <- struct{}{}:
		case <-ctx.Done():
			s.leave(stripes[:i])
			return none, ctx.Err()
		}
	}
	if err := s.slot(ctx); err != nil {
		s.leave(stripes)
		return none, err
	}
	if !s.start() {
		<-s.slots
		s.leave(stripes)
		return none, backends.ErrClosed
	}
	a := &attempt{store: s}
	number := s.calls.Add(1)
	done := make(chan outcome[T], 1)
	go func() {
		defer s.running.Done()
		var o outcome[T]
		if o.err = s.lockStripes(stripes); o.err == nil {
			if s.stall != nil {
				s.stall(looking)
			}
			o.value, o.err = f(a)
			s.unlockStripes(stripes)
		}
		s.leave(stripes)
		<-s.slots
		a.end(s, func() { done <- o })
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
	}
	u := backends.NewUnknown(ctx.Err(), "call:"+strconv.FormatUint(number, 10), s.runID, nil)
	switch a.abandon(s, u) {
	case looking:
		return none, ctx.Err()
	case changing:
		return none, u
	}
	o := <-done // it has just ended
	return o.value, o.err
}

// abandon is the caller's leaving, and gives the state that it found: ended
// where the answer is there.
func (a *attempt) abandon(s *Store, u *backends.Unknown) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == ended {
		return ended
	}
	s.left.Add(1)
	a.left = true
	if a.state == changing {
		s.parked.Add(1)
		a.unknown = u
		return changing
	}
	a.state = abandoned
	return looking
}

func (a *attempt) end(s *Store, answer func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = ended
	answer()
	if a.left {
		s.left.Add(-1)
	}
	if a.unknown != nil {
		s.parked.Add(-1)
		a.unknown.Resolve()
	}
}

// slot waits for one of the bounded calls at the disk.
func (s *Store) slot(ctx context.Context) error {
	if 2*s.left.Load() >= int64(cap(s.slots)) {
		return backends.ErrBusy // the disk does not answer: more calls would not help
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", backends.ErrBusy, ctx.Err())
	}
}

func (s *Store) leave(stripes []int) {
	for _, n := range stripes {
		<-s.stripes[n].turn
	}
}

// lockStripes takes the flocks of the stripes, or errHeld.
func (s *Store) lockStripes(stripes []int) error {
	for i, n := range stripes {
		err := s.stripes[n].lock(s.own.stripes, n)
		if err != nil {
			s.unlockStripes(stripes[:i])
			return err
		}
	}
	return nil
}

func (st *stripe) lock(dir, n int) (err error) {
	if st.fd < 0 {
		err = retry(func() error {
			st.fd, err = unix.Openat(dir, strconv.Itoa(n), unix.O_RDONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
			return err
		})
		if err == unix.EROFS {
			return nil // nobody can change anything
		}
		if err != nil {
			return failed("open a lock of our own", err)
		}
	}
	return flock(st.fd, unix.LOCK_EX)
}

func (s *Store) unlockStripes(stripes []int) {
	for _, n := range stripes {
		if s.stripes[n].fd >= 0 {
			unix.Flock(s.stripes[n].fd, unix.LOCK_UN)
		}
	}
}

// flock takes a flock now, or errHeld.
func flock(fd, how int) error {
	switch err := retry(func() error { return unix.Flock(fd, how|unix.LOCK_NB) }); err {
	case nil:
		return nil
	case unix.EWOULDBLOCK:
		return errHeld
	default:
		return failed("lock a file", err)
	}
}
