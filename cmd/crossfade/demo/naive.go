package demo

import (
	"context"
	"hash/fnv"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// naive is the usual way: two percentage flags, one for writes to new and one
// for reads from new, each with buckets of its own; no fence, no marks, errors
// of new ignored. What it costs is what the ledger shows.
type naive struct {
	old, new      backends.Store
	writes, reads atomic.Int64 // percent
	lockers       backends.Locker
}

func bucket(flag, id string) int64 {
	h := fnv.New32a()
	h.Write([]byte(flag + id))
	return int64(h.Sum32() % 100)
}

func (n *naive) writesNew(id string) bool { return bucket("write", id) < n.writes.Load() }
func (n *naive) readsNew(id string) bool  { return bucket("read", id) < n.reads.Load() }

func naiveSession(id, value string) backends.Session {
	return backends.Session{Key: backends.Key{Name: id}, Data: []byte(value), Deadline: time.Now().Add(sessionLife)}
}

func (n *naive) get(ctx context.Context, id string) (string, bool, error) {
	st := n.old
	if n.readsNew(id) {
		st = n.new
	}
	s, found, err := st.Get(ctx, backends.Key{Name: id})
	return string(s.Data), found, err
}

func (n *naive) set(ctx context.Context, id, value string) error {
	if n.writesNew(id) {
		n.new.Set(ctx, naiveSession(id, value)) // an error here is "only the new store"
		if n.writes.Load() == 100 && n.reads.Load() == 100 {
			return nil
		}
	}
	return n.old.Set(ctx, naiveSession(id, value))
}

func (n *naive) touch(ctx context.Context, id string) (bool, error) {
	_, found, err := n.get(ctx, id)
	return found, err
}

func (n *naive) add(ctx context.Context, id string) (bool, error) {
	_, found, err := n.get(ctx, id)
	return !found, err
}

func (n *naive) delete(ctx context.Context, id string) error {
	if n.writesNew(id) {
		n.new.Delete(ctx, backends.Key{Name: id})
	}
	_, err := n.old.Delete(ctx, backends.Key{Name: id})
	return err
}

func (n *naive) lock(ctx context.Context, id, token string) (bool, error) {
	return n.lockers.Lock(ctx, backends.Key{Name: "lock." + id}, token, lockLife)
}

func (n *naive) unlock(ctx context.Context, id, token string) error {
	_, err := n.lockers.Unlock(ctx, backends.Key{Name: "lock." + id}, token)
	return err
}
