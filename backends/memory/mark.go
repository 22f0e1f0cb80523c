package memory

import (
	"context"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Marks gives the marks beside a session.
func (s *Store) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	if err := s.enter(ctx, k); err != nil {
		return nil, err
	}
	return faulty(s, ctx, OpMarks, k.Name, func() ([]backends.Mark, error) {
		sh, e, now := s.look(k.Name)
		defer sh.mu.Unlock()
		if e == nil || e.marked <= now {
			return nil, nil
		}
		return slices.Clone(e.marks), nil
	})
}

// PutMark adds a mark. It lengthens the life of the marks that are there and
// never shortens it: an agent that asks for less must not end another's mark.
func (s *Store) PutMark(ctx context.Context, k backends.Key, m backends.Mark, ttl time.Duration) error {
	if err := s.enter(ctx, k); err != nil {
		return err
	}
	_, err := faulty(s, ctx, OpPutMark, k.Name, func() (struct{}, error) {
		sh, e, now, err := s.room(k.Name, 0)
		if err != nil {
			return struct{}{}, err
		}
		defer func() { s.done(sh, e, now) }()
		until := int64(never)
		if ttl > 0 {
			until = s.until(ttl)
		}
		if e.marked <= now {
			e.marks = nil
		}
		e.marked = max(e.marked, until)
		if !slices.Contains(e.marks, m) {
			e.marks = append(e.marks, m)
		}
		return struct{}{}, nil
	})
	return err
}

// DropMarks removes marks.
func (s *Store) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	if err := s.enter(ctx, k); err != nil {
		return err
	}
	ms = slices.Clone(ms)
	_, err := faulty(s, ctx, OpDropMarks, k.Name, func() (struct{}, error) {
		sh, e, now := s.look(k.Name)
		defer sh.mu.Unlock()
		if e != nil {
			e.marks = slices.DeleteFunc(e.marks, func(m backends.Mark) bool { return slices.Contains(ms, m) })
			s.count(sh, e, now)
		}
		return struct{}{}, nil
	})
	return err
}
