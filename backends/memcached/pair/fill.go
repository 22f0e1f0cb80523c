package pair

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	// fillLock is held, in the leader, by the agent that fills: one is enough.
	fillLock = "pair-fill"
	// fillHold is how long the lock stands without its holder: an agent that died
	// leaves the member unfilled for so long.
	fillHold = 10 * time.Second
	// tick is longer than memcached's clock takes from one second to the next.
	tick = 1300 * time.Millisecond
	// copiers is how many keys are copied at once.
	copiers = 64
)

// fill is the filling of a member by this agent.
type fill struct {
	running atomic.Bool
	done    atomic.Int64 // keys that were looked at
	of      atomic.Int64 // about how many there are; 0: not known
}

var errOvertaken = errors.New("pair: another agent has changed the record")

// refill fills a member that is out and answers, unless this agent does already.
func (s *Store) refill(m *member) {
	v := s.view.Load()
	t := m.told()
	if s.o.Replicates || v == nil || len(v.order) != 1 || v.lead() == m || !t.found || !v.lead().fresh(since()) {
		return
	}
	if !s.fill.running.CompareAndSwap(false, true) {
		return
	}
	s.async(func() {
		defer s.fill.running.Store(false)
		err := s.refillOnce(s.ctx, v.lead(), m)
		if errors.Is(err, errOvertaken) || s.ctx.Err() != nil {
			return
		}
		m.mu.Lock()
		m.note = ""
		if err != nil {
			m.note = err.Error()
		}
		m.mu.Unlock()
		if err != nil { // once more, and not at once
			t := time.NewTimer(10 * Period)
			defer t.Stop()
			select {
			case <-t.C:
			case <-s.ctx.Done():
			}
		}
	})
}

// refillOnce fills m from the leader o: it begins with a lock, and ends with a record by
// which m is whole, or an error.
func (s *Store) refillOnce(ctx context.Context, o, m *member) error {
	lock := backends.NoteKey(s.o.Migration, fillLock)
	got, err := o.raw.Lock(ctx, lock, s.start, fillHold)
	if err != nil {
		return err
	}
	if !got {
		return errOvertaken
	}
	defer o.raw.Unlock(context.WithoutCancel(ctx), lock, s.start)
	// A server that stood still goes by its clock of then until that ticks, and what
	// is written to it in between ends too early by as much.
	if err := pause(ctx, tick); err != nil {
		return err
	}
	err = s.amend(ctx, o, func(r record) (record, bool) {
		n := r.next()
		n.Filling = &filling{Member: m.name, By: s.start}
		return n, len(r.Whole) == 1 && r.whole(o.name)
	})
	if err != nil {
		return err
	}
	if !s.filling(o, m) {
		return errOvertaken
	}
	s.fill.done.Store(0)
	s.fill.of.Store(0)
	if n, err := o.raw.Size(ctx); err == nil {
		s.fill.of.Store(n)
	}
	// From then on every agent writes to m too, and has said which of its calls
	// may still arrive there.
	if err := pause(ctx, wait); err != nil {
		return err
	}
	if err := s.quiet(ctx, o, m, lock); err != nil {
		return err
	}
	// First what m has: none of it may be older than what stands, or deleted since.
	for _, from := range []*member{m, o} {
		if err := s.copyAll(ctx, o, m, from, lock); err != nil {
			return err
		}
	}
	done := false
	err = s.amend(ctx, o, func(r record) (record, bool) {
		done = r.Filling != nil && *r.Filling == filling{m.name, s.start} && !r.doubted(m.name)
		n := r.next()
		n.Whole, n.Filling = append(n.Whole, m.name), nil
		return n, done
	})
	if err == nil && !done {
		return errOvertaken
	}
	return err
}

// filling tells whether this agent still fills m.
func (s *Store) filling(o, m *member) bool {
	v := s.view.Load()
	return v.lead0() == o && v.rec.Filling != nil && *v.rec.Filling == filling{m.name, s.start}
}

func (r record) doubted(name string) bool {
	for _, d := range r.Doubts {
		if d.Member == name {
			return true
		}
	}
	return false
}

// quiet waits until no call from before m was out can arrive there. The calls of
// an agent that is no more are asked for by their connections.
func (s *Store) quiet(ctx context.Context, o, m *member, lock backends.Key) error {
	for {
		if !s.filling(o, m) {
			return errOvertaken
		}
		left, ended := 0, map[doubt]bool{}
		for _, d := range s.view.Load().rec.Doubts {
			if d.Member != m.name {
				continue
			}
			left++
			// Its own agent knows of the end when it has read the answer; so may we,
			// once the server has no such connection.
			if d.RunID != "" && m.raw.Settle(ctx, d.Conn, d.RunID) == nil {
				ended[d] = true
			}
		}
		if left == 0 {
			return nil
		}
		if len(ended) > 0 {
			err := s.amend(ctx, o, func(r record) (record, bool) {
				n := r.next()
				n.Doubts = n.Doubts[:0]
				for _, d := range r.Doubts {
					if !ended[d] {
						n.Doubts = append(n.Doubts, d)
					}
				}
				return n, len(n.Doubts) < len(r.Doubts)
			})
			if err != nil {
				return err
			}
		}
		if err := s.hold(ctx, o, lock); err != nil {
			return err
		}
		if err := pause(ctx, Period); err != nil {
			return err
		}
	}
}

// hold keeps the lock.
func (s *Store) hold(ctx context.Context, o *member, lock backends.Key) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	value, found, err := o.raw.LockValue(ctx, lock)
	if err == nil && (!found || value != s.start) {
		return errOvertaken
	}
	if err == nil {
		_, err = o.raw.Touch(ctx, lock, time.Now().Add(fillHold))
	}
	return err
}

// copyAll makes all keys that from lists the same in m as in o.
func (s *Store) copyAll(ctx context.Context, o, m, from *member, lock backends.Key) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan string)
	var wg sync.WaitGroup
	for range copiers {
		wg.Go(func() {
			for name := range work {
				if err := s.copyOne(ctx, o, m, name); err != nil {
					cancel(err)
				}
				s.fill.done.Add(1)
			}
		})
	}
	last := time.Now()
	err := from.raw.Scan(ctx, "", func(names []string) error {
		if !s.filling(o, m) {
			return errOvertaken
		}
		if time.Since(last) > time.Second {
			last = time.Now()
			if err := s.hold(ctx, o, lock); err != nil {
				return err
			}
		}
		for _, name := range names {
			if !copied(name) {
				continue
			}
			select {
			case work <- name:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	close(work)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if errors.Is(err, backends.ErrUnlisted) {
		return fmt.Errorf("%s cannot be filled: %s does not list its keys: %w", m.name, from.name, err)
	}
	return err
}

func (s *Store) copyOne(ctx context.Context, o, m *member, name string) error {
	ctx, cancel := context.WithTimeout(ctx, guardFor)
	defer cancel()
	v := s.view.Load()
	if v.lead0() != o || v.other != m {
		return errOvertaken
	}
	err := s.sameKey(ctx, v, backends.Key{Name: name})
	if u, unknown := backends.IsUnknown(err); unknown {
		s.doubt(m, u, backends.Key{})
	}
	if errors.Is(err, backends.ErrKey) { // a native client's, with bytes that we never send
		return nil
	}
	return err
}

// copied tells whether a key is filled. Notes are not: they stand on each member
// by themselves, and an older one must not take a newer one's place.
func copied(name string) bool {
	if !backends.OwnKey(name) {
		return true
	}
	f := strings.SplitN(name, ":", 4) // crossfade:<migration>:<what>:…
	if len(f) < 4 {
		return false
	}
	switch f[2] {
	case "gone", "mark", "sync", "row", "flags", "old-behind":
		return true
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
