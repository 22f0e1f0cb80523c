package memory

import (
	"bytes"
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Add writes a session where there is none.
func (s *Store) Add(ctx context.Context, sess backends.Session) (bool, error) {
	stored, _, err := s.add(ctx, sess, false)
	return stored, err
}

// undoFor is how long what was added is watched.
const undoFor = time.Minute

// AddUndo is Add that can be taken back, for a minute: later Undo conflicts.
func (s *Store) AddUndo(ctx context.Context, sess backends.Session) (bool, backends.Undo, error) {
	stored, w, err := s.add(ctx, sess, true)
	if w == nil {
		return stored, nil, err
	}
	return stored, &undo{store: s, watch: w}, err
}

func (s *Store) add(ctx context.Context, sess backends.Session, watched bool) (bool, *watch, error) {
	if err := s.enterData(ctx, sess); err != nil {
		return false, nil, err
	}
	sess.Data = bytes.Clone(sess.Data)
	type result struct {
		stored bool
		w      *watch
	}
	r, err := faulty(s, ctx, OpAdd, sess.Key.Name, func() (result, error) {
		sh, e, now, err := s.room(sess.Key.Name, len(sess.Data))
		if err != nil {
			return result{}, err
		}
		defer func() { s.done(sh, e, now) }()
		if e.live(now) {
			return result{}, nil
		}
		deadline := millis(sess.Deadline)
		if deadline > now {
			e.gone = 0
			sh.put(e, sess.Data, sess.Flags, deadline)
		}
		var w *watch
		if watched {
			w = sh.watch(sess.Key.Name, s.until(undoFor))
		}
		return result{true, w}, nil
	})
	return r.stored, r.w, err
}

type undo struct {
	store *Store
	watch *watch
}

func (u *undo) Undo(ctx context.Context) error {
	if err := u.store.enter(ctx); err != nil {
		return err
	}
	_, err := faulty(u.store, ctx, OpUndo, u.watch.name, func() (struct{}, error) {
		sh, e, now := u.store.look(u.watch.name)
		defer sh.mu.Unlock()
		if u.watch.dirty || u.watch.until < now {
			return struct{}{}, backends.ErrConflict
		}
		if e != nil {
			sh.drop(e)
			u.store.count(sh, e, now)
		}
		return struct{}{}, nil
	})
	return err
}

func (u *undo) Release() { u.store.forget(u.watch) }
