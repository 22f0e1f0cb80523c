package memcached

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Lock implements backends.Locker: an add. The lock lives for ttl and up to two
// seconds more, never less: the server counts whole seconds.
func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (granted bool, err error) {
	if err := backends.CheckKey(k); err != nil {
		return false, err
	}
	if ttl <= 0 {
		return false, errors.New("memcached: a lock needs a time to live")
	}
	data := []byte(value)
	if err := s.checkSize(ctx, k, data); err != nil {
		return false, err
	}
	c := newCall().add(command{verb: vAdd, key: k.Name, data: data, exp: lifetime(ttl, time.Now())})
	if err := s.exec(ctx, c); err != nil {
		return false, err
	}
	defer c.free()
	return c.ans[0].status == stOK, c.ans[0].err
}

// Unlock implements backends.Locker. Whoever has the value holds the lock, so
// one compare by the token seen with it is enough.
func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (released bool, err error) {
	held, cas, found, err := s.lock(ctx, k)
	if err != nil || !found || held != value {
		return false, err
	}
	if cas == 0 {
		return false, errNoCAS
	}
	err = s.deleteIf(ctx, k.Name, cas, time.Time{})
	if errors.Is(err, backends.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// LockValue implements backends.Locker.
func (s *Store) LockValue(ctx context.Context, k backends.Key) (value string, found bool, err error) {
	value, _, found, err = s.lock(ctx, k)
	return value, found, err
}

func (s *Store) lock(ctx context.Context, k backends.Key) (value string, cas uint64, found bool, err error) {
	if err := backends.CheckKey(k); err != nil {
		return "", 0, false, err
	}
	c := newCall().add(command{verb: vGet, key: k.Name})
	if err := s.exec(ctx, c); err != nil {
		return "", 0, false, err
	}
	defer c.free()
	a := &c.ans[0]
	return string(a.data), a.cas, a.status == stOK, a.err
}
