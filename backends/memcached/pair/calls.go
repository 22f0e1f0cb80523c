package pair

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

// What is asked is asked of the leader; what is changed is changed there first,
// and the other member gets the same.

type session struct {
	backends.Session
	found bool
}

func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	got, err := look(ctx, s, func(ctx context.Context, m *memcached.Store) (session, bool, error) {
		sess, found, err := m.Get(ctx, k)
		return session{sess, found}, !found, err
	})
	return got.Session, got.found, err
}

func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	return look(ctx, s, func(ctx context.Context, m *memcached.Store) (backends.Record, bool, error) {
		r, err := m.Read(ctx, k)
		return r, !r.Found, err
	})
}

func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	return look(ctx, s, func(ctx context.Context, m *memcached.Store) ([]backends.Record, bool, error) {
		rs, err := m.ReadMany(ctx, ks)
		for i := range rs {
			if !rs[i].Found {
				return rs, true, err
			}
		}
		return rs, false, err
	})
}

func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	set := func(ctx context.Context, m *memcached.Store) error { return m.Set(ctx, sess) }
	return s.do(ctx, sess.Key, func(ctx context.Context, m *memcached.Store) (answer, error) {
		return answer{follow: set}, set(ctx, m)
	})
}

func (s *Store) Revive(ctx context.Context, sess backends.Session) error {
	revive := func(ctx context.Context, m *memcached.Store) error { return m.Revive(ctx, sess) }
	return s.do(ctx, sess.Key, func(ctx context.Context, m *memcached.Store) (answer, error) {
		return answer{follow: revive}, revive(ctx, m)
	})
}

// remove is a change that says whether there was a session: the leader says. (On
// the other it may end up to a second later.)
func (s *Store) remove(ctx context.Context, k backends.Key, on func(context.Context, *memcached.Store) (bool, error)) (found bool, err error) {
	err = s.do(ctx, k, func(ctx context.Context, m *memcached.Store) (answer, error) {
		var err error
		found, err = on(ctx, m)
		return answer{absent: !found, follow: func(ctx context.Context, m *memcached.Store) error {
			_, err := on(ctx, m)
			return err
		}}, err
	})
	return found && err == nil, err
}

func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	return s.remove(ctx, k, func(ctx context.Context, m *memcached.Store) (bool, error) { return m.Delete(ctx, k) })
}

func (s *Store) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	return s.remove(ctx, k, func(ctx context.Context, m *memcached.Store) (bool, error) { return m.Bury(ctx, k, ttl) })
}

// Touch moves the deadline on both. What the other member lacks (it has evicted
// it) is copied there.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	if !deadline.IsZero() && !deadline.After(time.Now()) {
		return s.remove(ctx, k, func(ctx context.Context, m *memcached.Store) (bool, error) { return m.Touch(ctx, k, deadline) })
	}
	var found, lacks bool
	err := s.do(ctx, k, func(ctx context.Context, m *memcached.Store) (answer, error) {
		var err error
		if found, err = m.Touch(ctx, k, deadline); !found || err != nil {
			return answer{absent: true}, err
		}
		return answer{follow: func(ctx context.Context, m *memcached.Store) error {
			also, err := m.Touch(ctx, k, deadline)
			lacks = !also
			return err
		}}, nil
	})
	if err == nil && found && lacks {
		var v *view
		if v, err = s.current(ctx); err == nil {
			err = s.same(ctx, v, k)
		}
	}
	return found && err == nil, err
}

// added is what the other member gets of an add.
func added(sess backends.Session) func(context.Context, *memcached.Store) error {
	return func(ctx context.Context, m *memcached.Store) error {
		if sess.Expired(time.Now()) {
			return nil // stored nowhere
		}
		return m.Revive(ctx, sess)
	}
}

func (s *Store) Add(ctx context.Context, sess backends.Session) (stored bool, err error) {
	err = s.do(ctx, sess.Key, func(ctx context.Context, m *memcached.Store) (a answer, err error) {
		if stored, err = m.Add(ctx, sess); stored {
			a = answer{absent: true, follow: added(sess)}
		}
		return a, err
	})
	return stored && err == nil, err
}

func (s *Store) AddUndo(ctx context.Context, sess backends.Session) (stored bool, u backends.Undo, err error) {
	err = s.do(ctx, sess.Key, func(ctx context.Context, m *memcached.Store) (a answer, err error) {
		if u != nil {
			u.Release()
		}
		if stored, u, err = m.AddUndo(ctx, sess); stored {
			a = answer{absent: true, follow: added(sess)}
		}
		return a, err
	})
	if err != nil || !stored {
		if u != nil {
			u.Release()
		}
		return false, nil, err
	}
	return true, &undo{s: s, key: sess.Key, lead: u}, nil
}

// undo takes an add back on the member that decided it; the other is made the
// same. Where that one leads no more it says so: its token is nothing to the other.
type undo struct {
	s    *Store
	key  backends.Key
	lead backends.Undo
}

func (u *undo) Undo(ctx context.Context) error {
	if err := u.lead.Undo(ctx); err != nil {
		return err
	}
	v, err := u.s.current(ctx)
	if err == nil {
		err = u.s.same(ctx, v, u.key)
	}
	if err != nil {
		return altered(err)
	}
	return nil
}

func (u *undo) Release() { u.lead.Release() }

func (s *Store) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	return look(ctx, s, func(ctx context.Context, m *memcached.Store) ([]backends.Mark, bool, error) {
		ms, err := m.Marks(ctx, k)
		return ms, len(ms) == 0, err
	})
}

func (s *Store) PutMark(ctx context.Context, k backends.Key, mark backends.Mark, ttl time.Duration) error {
	put := func(ctx context.Context, m *memcached.Store) error { return m.PutMark(ctx, k, mark, ttl) }
	return s.do(ctx, backends.MarkKey(s.o.Migration, k), func(ctx context.Context, m *memcached.Store) (answer, error) {
		return answer{follow: put}, put(ctx, m)
	})
}

func (s *Store) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	drop := func(ctx context.Context, m *memcached.Store) error { return m.DropMarks(ctx, k, ms) }
	return s.do(ctx, backends.MarkKey(s.o.Migration, k), func(ctx context.Context, m *memcached.Store) (answer, error) {
		return answer{follow: drop}, drop(ctx, m)
	})
}

// Lock is granted by the leader; the other member gets the grant as it is, over
// whatever is left there of one that has run out.
func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (granted bool, err error) {
	until := time.Now().Add(ttl)
	err = s.do(ctx, k, func(ctx context.Context, m *memcached.Store) (a answer, err error) {
		if granted, err = m.Lock(ctx, k, value, ttl); granted {
			a = answer{absent: true, follow: func(ctx context.Context, m *memcached.Store) error {
				return m.Set(ctx, backends.Session{Key: k, Data: []byte(value), Deadline: until})
			}}
		}
		return a, err
	})
	return granted && err == nil, err
}

func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (released bool, err error) {
	err = s.do(ctx, k, func(ctx context.Context, m *memcached.Store) (a answer, err error) {
		if released, err = m.Unlock(ctx, k, value); !released {
			return answer{absent: true}, err
		}
		return answer{follow: func(ctx context.Context, m *memcached.Store) error {
			_, err := m.Unlock(ctx, k, value)
			return err
		}}, err
	})
	return released && err == nil, err
}

type lock struct {
	value string
	found bool
}

func (s *Store) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	got, err := look(ctx, s, func(ctx context.Context, m *memcached.Store) (lock, bool, error) {
		value, found, err := m.LockValue(ctx, k)
		return lock{value, found}, !found, err
	})
	return got.value, got.found, err
}
