package pair

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// view is the record as calls use it. It is not modified.
type view struct {
	rec   record
	order []*member // whole; the first leads
	other *member   // written after the leader: the other whole one, or the one being filled; nil: none
	from  int64     // nanoseconds since base: not to be used before
}

func (v *view) lead() *member { return v.order[0] }

func (v *view) holds(m *member) bool { return v.rec.whole(m.name) }

// usable tells whether a call may go by this view: nobody goes by an older one any
// more, and each whole member, on one of which every change of the record is made
// first, was read within Lease.
func (v *view) usable(now int64) bool {
	if len(v.order) == 0 || now < v.from {
		return false
	}
	for _, m := range v.order {
		if !m.fresh(now) {
			return false
		}
	}
	return true
}

// current waits for a view that may be used. An error means that there is none:
// nothing was asked of a member.
func (s *Store) current(ctx context.Context) (*view, error) {
	if v := s.view.Load(); v != nil && v.usable(since()) && ctx.Err() == nil {
		return v, nil
	}
	if s.ctx.Err() != nil {
		return nil, backends.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("pair: not sent: %w", err)
	}
	s.run()
	for {
		s.mu.Lock()
		moved := s.moved
		s.mu.Unlock()
		v, now, soon := s.view.Load(), since(), Period
		if v != nil && v.usable(now) {
			return v, nil
		}
		if err := s.dead(v); err != nil {
			return nil, err
		}
		if v != nil && v.from > now {
			soon = time.Duration(v.from - now)
		}
		t := time.NewTimer(soon)
		select {
		case <-moved:
		case <-t.C:
		case <-s.ctx.Done():
			t.Stop()
			return nil, backends.ErrClosed
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("pair: not sent, no member is known to be whole: %w", ctx.Err())
		}
		t.Stop()
	}
}

// dead gives the error of a whole member, where nobody listens at any: there is
// nothing to wait for.
func (s *Store) dead(v *view) error {
	if v == nil || len(v.order) == 0 {
		return nil
	}
	for _, m := range v.order {
		if !refused(m.told().err) {
			return nil
		}
	}
	return fmt.Errorf("pair: no whole member takes connections: %w", v.lead().told().err)
}

// wake lets those who wait look again.
func (s *Store) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.moved)
	s.moved = make(chan struct{})
}

// adopt goes by a record, if it counts more than what stood. It waits for nobody:
// the view says from when it may be used.
func (s *Store) adopt(r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.view.Load()
	if was != nil && !above(r, was.rec, s.members[0].name) {
		return
	}
	v := &view{rec: r}
	for _, name := range r.Whole {
		for _, m := range s.members {
			if m.name == name {
				v.order = append(v.order, m)
			}
		}
	}
	for _, m := range s.members {
		if r.fills(m.name) && !v.holds(m) {
			v.other = m
		}
	}
	if len(v.order) == 2 {
		v.other = v.order[1]
	}
	switch {
	case was == nil && len(v.order) < 2: // who leads may have changed this moment
		v.from = since() + int64(wait)
	case was != nil:
		v.from = was.from
		for _, m := range was.order {
			if !v.holds(m) || v.lead() != was.lead() {
				v.from = since() + int64(wait)
			}
		}
	}
	s.view.Store(v)
	close(s.moved)
	s.moved = make(chan struct{})
}

func (v *view) fills(m *member) bool { return v.rec.fills(m.name) }

// lead0 is lead, nil where there is none.
func (v *view) lead0() *member {
	if v == nil || len(v.order) == 0 {
		return nil
	}
	return v.order[0]
}
