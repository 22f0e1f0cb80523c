package memcached

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// tries bounds the loops that start again when somebody else was faster.
const tries = 16

// errContended is returned, with nothing changed, when others changed the key
// between each look and the write that followed it.
var errContended = errors.New("memcached: the key changes too fast")

// errNoCAS is returned by what needs tokens.
var errNoCAS = errors.New("memcached: the server was started with -C and has no compare-and-swap")

// Add implements backends.Adder.
func (s *Store) Add(ctx context.Context, sess backends.Session) (stored bool, err error) {
	stored, _, err = s.add(ctx, &sess, false)
	return stored, err
}

// AddUndo implements backends.Adder.
func (s *Store) AddUndo(ctx context.Context, sess backends.Session) (stored bool, u backends.Undo, err error) {
	stored, cas, err := s.add(ctx, &sess, true)
	if !stored || err != nil {
		return stored, nil, err
	}
	return true, &undo{s: s, key: sess.Key.Name, cas: cas, deadline: sess.Deadline}, nil
}

// add writes sess where nothing or a claim stands, and clears the tombstone.
// With token the key is looked at before it is written: an add that gives its
// token must not meet a session, see command.appendTo.
func (s *Store) add(ctx context.Context, sess *backends.Session, token bool) (bool, uint64, error) {
	if err := s.writable(ctx, sess); err != nil {
		return false, 0, err
	}
	if f := s.facts.Load(); token && f != nil && f.noCAS {
		return false, 0, errNoCAS
	}
	for try := range tries {
		cmd := write(vAdd, sess)
		cmd.token = token
		if token || try > 0 {
			st, cas, err := s.look(ctx, sess.Key.Name)
			if err != nil || st == present {
				return false, 0, err
			}
			if st == claimed {
				cmd.verb, cmd.cas = vSwap, cas
			}
		}
		gone := s.gone(sess.Key)
		c := newCall().add(cmd).add(command{verb: vLook, key: gone})
		if err := s.exec(ctx, c); err != nil {
			return false, 0, err
		}
		a, buried := c.ans[0], c.ans[1].status == stOK
		c.free()
		switch {
		case a.status == stRefused && token:
			return false, 0, s.changed(a.err)
		case a.status == stRefused:
			return false, 0, a.err
		case a.status != stOK:
			continue
		}
		if buried && cmd.exp >= 0 {
			c := newCall().add(command{verb: vDelete, key: gone})
			if err := s.exec(ctx, c); err != nil {
				return false, 0, s.changed(err)
			}
			c.free()
		}
		return true, a.cas, nil
	}
	return false, 0, errContended
}

// look tells what stands for a key, with its token.
func (s *Store) look(ctx context.Context, key string) (state, uint64, error) {
	c := newCall().add(command{verb: vLook, key: key})
	if err := s.exec(ctx, c); err != nil {
		return absent, 0, err
	}
	defer c.free()
	st, err := stateOf(&c.ans[0])
	return st, c.ans[0].cas, err
}

// undo takes an add back by its token.
type undo struct {
	s        *Store
	key      string
	cas      uint64 // 0: something else stood there before the token could be asked for
	deadline time.Time
}

func (u *undo) Undo(ctx context.Context) error {
	if u.cas == 0 {
		return backends.ErrConflict
	}
	return u.s.deleteIf(ctx, u.key, u.cas, u.deadline)
}

func (u *undo) Release() {}

// deleteIf removes the item that has the token. One that was to end at deadline
// and has ended is removed.
func (s *Store) deleteIf(ctx context.Context, key string, cas uint64, deadline time.Time) error {
	c := newCall().add(command{verb: vDeleteIf, key: key, cas: cas})
	if err := s.exec(ctx, c); err != nil {
		return err
	}
	defer c.free()
	switch a := &c.ans[0]; a.status {
	case stOK:
		return nil
	case stMissing:
		if !deadline.IsZero() && time.Until(deadline) < time.Second {
			return nil
		}
		return backends.ErrConflict
	case stRefused:
		return a.err
	}
	return backends.ErrConflict
}
