package files

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Add writes a session only where there is none. An empty file that PHP made
// counts as a session, a claim and a file past its time as none.
func (s *Store) Add(ctx context.Context, sess backends.Session) (bool, error) {
	stored, _, err := s.add(ctx, sess, false)
	return stored, err
}

// AddUndo holds the session's flock for one tick of the kernel's clock, 1 to 10
// ms, so that what Undo compares names this very write.
func (s *Store) AddUndo(ctx context.Context, sess backends.Session) (bool, backends.Undo, error) {
	stored, v, err := s.add(ctx, sess, true)
	if err != nil || !stored {
		return stored, nil, err
	}
	return true, &undo{store: s, key: sess.Key, version: v}, nil
}

func (s *Store) add(ctx context.Context, sess backends.Session, settled bool) (bool, version, error) {
	if err := s.enterData(ctx, sess); err != nil {
		return false, version{}, err
	}
	type answer struct {
		stored bool
		version
	}
	v, err := on(ctx, s, sess.Key, func(a *attempt, p place, f *file) (answer, error) {
		now := time.Now()
		if f != nil && s.live(&f.st, now) {
			return answer{}, nil
		}
		if past(sess.Deadline, now) {
			return answer{stored: true}, nil
		}
		if err := a.begin(); err != nil {
			return answer{}, err
		}
		made, err := s.write(p, f, &sess, true)
		if err != nil {
			return answer{}, err
		}
		defer made.close()
		if !settled {
			return answer{stored: true}, nil
		}
		if made == nil {
			made = f
		}
		if err := made.stat(); err != nil {
			return answer{}, err
		}
		settle(&made.st)
		return answer{true, versionOf(&made.st)}, nil
	})
	return v.stored, v.version, err
}

// undo takes back one add.
type undo struct {
	store   *Store
	key     backends.Key
	version version // zero: nothing was stored
}

// Undo removes what was added if that is what stands.
func (u *undo) Undo(ctx context.Context) error {
	if err := u.store.enter(ctx); err != nil {
		return err
	}
	_, err := on(ctx, u.store, u.key, func(a *attempt, p place, f *file) (none struct{}, err error) {
		if f == nil || versionOf(&f.st) != u.version {
			if u.version == (version{}) {
				return none, nil
			}
			return none, backends.ErrConflict
		}
		if err := a.begin(); err != nil {
			return none, err
		}
		return none, u.store.remove(p, f)
	})
	return err
}

// Release has nothing to give back.
func (u *undo) Release() {}
