package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// Lock is SET NX PX. ttl must be positive.
func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	err := s.change(ctx, "lock", k.Name, func(conn *goredis.Conn) error {
		bg := context.Background()
		return conn.Process(bg, goredis.NewStatusCmd(bg, "set", k.Name, value, "px", ttlMillis(ttl), "nx"))
	})
	if errors.Is(err, goredis.Nil) {
		return false, nil
	}
	return err == nil, err
}

// Unlock is compare and delete, in one step.
func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	n, err := s.script(ctx, "unlock", scriptUnlock, []string{k.Name}, value)
	return n > 0, err
}

// LockValue gives the value of a lock.
func (s *Store) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return "", false, err
	}
	data, found, err := s.get(ctx, k.Name)
	return string(data), found, err
}
