package ring

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// What is asked for one session is asked of its server.

func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	return s.of(k).Get(ctx, k)
}

func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	return s.of(k).Read(ctx, k)
}

func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	return s.of(sess.Key).Set(ctx, sess)
}

func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	return s.of(k).Delete(ctx, k)
}

func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	return s.of(k).Touch(ctx, k, deadline)
}

func (s *Store) Add(ctx context.Context, sess backends.Session) (bool, error) {
	return s.of(sess.Key).Add(ctx, sess)
}

func (s *Store) AddUndo(ctx context.Context, sess backends.Session) (bool, backends.Undo, error) {
	return s.of(sess.Key).AddUndo(ctx, sess)
}

func (s *Store) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	return s.of(k).Guard(ctx, k, notAfter)
}

func (s *Store) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	return s.of(k).Bury(ctx, k, ttl)
}

func (s *Store) Revive(ctx context.Context, sess backends.Session) error {
	return s.of(sess.Key).Revive(ctx, sess)
}

func (s *Store) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	return s.of(k).Marks(ctx, k)
}

func (s *Store) PutMark(ctx context.Context, k backends.Key, m backends.Mark, ttl time.Duration) error {
	return s.of(k).PutMark(ctx, k, m, ttl)
}

func (s *Store) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	return s.of(k).DropMarks(ctx, k, ms)
}

func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (bool, error) {
	return s.of(k).Lock(ctx, k, value, ttl)
}

func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (bool, error) {
	return s.of(k).Unlock(ctx, k, value)
}

func (s *Store) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	return s.of(k).LockValue(ctx, k)
}
