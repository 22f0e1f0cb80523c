package files

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// grave is a tombstone's record. The zero grave is none.
type grave struct {
	Name  string    `json:"name"` // of the session, for Scan
	Until time.Time `json:"until"`
	Nonce string    `json:"nonce"` // names this burial
}

func (g grave) stands() bool { return g.Nonce != "" }

// grave gives the tombstone that stands for a session.
func (o *ownDir) grave(id string, now time.Time) (g grave, err error) {
	found, err := load(o.gone, recordName(id), &g)
	if err != nil || !found || !g.Until.After(now) {
		return grave{}, err
	}
	return g, nil
}

func (o *ownDir) dig(id string, ttl time.Duration) error {
	return o.save(o.gone, recordName(id), grave{id, time.Now().Add(ttl), tempName()})
}

func (o *ownDir) clear(id string) error { return drop(o.gone, recordName(id)) }

// Bury deletes a session and leaves a tombstone, which is written first: killed
// between the two, it leaves a session that is found, and no delete was
// acknowledged.
func (s *Store) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	return change(ctx, s, k, func(p place, f *file) (bool, error) {
		found := f != nil && s.live(&f.st, time.Now())
		if err := s.own.dig(p.id, ttl); err != nil {
			return false, err
		}
		return found, doubt(s.remove(p, f))
	})
}
