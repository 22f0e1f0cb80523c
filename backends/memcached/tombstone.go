package memcached

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// gone names the tombstone of k.
func (s *Store) gone(k backends.Key) string {
	return backends.GoneKey(s.opts.Migration, k).Name
}

// tombstone is the command that puts one. Its value is different each time, so
// that one can be told from another where the server gives no token with the
// write.
func (s *Store) tombstone(gone string, ttl time.Duration) command {
	return command{
		verb: vSet, key: gone, exp: lifetime(ttl, time.Now()),
		data: fmt.Appendf(nil, "g1 %016x", rand.Uint64()),
	}
}

// Bury implements backends.Tombstoner: the tombstone, then the delete, in one
// packet.
func (s *Store) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (found bool, err error) {
	if err := backends.CheckKey(k); err != nil {
		return false, err
	}
	c := newCall().
		add(s.tombstone(s.gone(k), ttl)).
		add(command{verb: vLook, key: k.Name}).
		add(command{verb: vDelete, key: k.Name})
	if err := s.exec(ctx, c); err != nil {
		return false, err
	}
	defer c.free()
	found, err = deleted(&c.ans[1], &c.ans[2])
	if c.ans[0].err != nil {
		err = c.ans[0].err
	}
	return found, s.changed(err)
}

// Revive implements backends.Tombstoner.
func (s *Store) Revive(ctx context.Context, sess backends.Session) error {
	if err := s.writable(ctx, &sess); err != nil {
		return err
	}
	c := newCall().
		add(write(vSet, &sess)).
		add(command{verb: vDelete, key: s.gone(sess.Key)})
	if err := s.exec(ctx, c); err != nil {
		return err
	}
	defer c.free()
	if err := c.ans[0].err; err != nil {
		return s.changed(err)
	}
	return s.changed(c.ans[1].err)
}
