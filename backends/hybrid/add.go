package hybrid

import (
	"context"
	"errors"

	"github.com/seed-41165957/crossfade/backends"
)

// Add stores in memcached what neither tier has. An empty session (PHP's way of
// claiming an id) goes no further: its data follows, and is written to both.
func (s *Store) Add(ctx context.Context, sess backends.Session) (bool, error) {
	stored, u, err := s.AddUndo(ctx, sess)
	if u != nil {
		u.Release()
	}
	return stored, err
}

// AddUndo is Add that can be taken back in both tiers.
func (s *Store) AddUndo(ctx context.Context, sess backends.Session) (bool, backends.Undo, error) {
	if s.o.ReadOnly {
		return s.cache.AddUndo(ctx, sess)
	}
	fast, cancel := half(ctx)
	_, found, err := s.rows.Get(fast, sess.Key)
	cancel()
	if err != nil || found {
		return false, nil, err
	}
	stored, cu, err := s.cache.AddUndo(ctx, sess)
	if err != nil || !stored {
		return stored, cu, err
	}
	// Neither tier has had it: what is noted is of another one.
	if err := s.forget(ctx, sess.Key); err != nil {
		defer cu.Release()
		if undoErr := cu.Undo(ctx); undoErr != nil && !errors.Is(undoErr, backends.ErrConflict) {
			return false, nil, undoErr
		}
		return false, nil, err
	}
	if len(sess.Data) == 0 {
		return stored, cu, nil
	}
	// Its row is not noted: the next write goes to the table too.
	stored, ru, err := s.rows.AddUndo(ctx, sess)
	switch {
	case err == nil && stored:
		return true, undo{s, sess.Key, cu, ru}, nil
	case unknown(err):
		cu.Release()
		return false, nil, err
	}
	// Somebody was faster, or the table does not take it.
	defer cu.Release()
	if ru != nil {
		ru.Release()
	}
	if undoErr := cu.Undo(ctx); undoErr != nil && !errors.Is(undoErr, backends.ErrConflict) {
		return false, nil, undoErr
	}
	return false, nil, err
}

// undo takes the row back first: memcached hides it meanwhile.
type undo struct {
	s           *Store
	key         backends.Key
	cache, rows backends.Undo
}

func (u undo) Undo(ctx context.Context) error {
	if err := u.s.forget(ctx, u.key); err != nil {
		return err
	}
	if err := u.rows.Undo(ctx); err != nil {
		return err
	}
	return u.cache.Undo(ctx)
}

func (u undo) Release() {
	u.cache.Release()
	u.rows.Release()
}
