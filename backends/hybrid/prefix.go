package hybrid

import (
	"context"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// ids is a table whose ids lack the prefix that memcached's names have.
type ids struct {
	Tier
	prefix string
}

func (t ids) id(k backends.Key) backends.Key {
	k.Name = strings.TrimPrefix(k.Name, t.prefix)
	return k
}

func (t ids) session(s backends.Session) backends.Session {
	s.Key = t.id(s.Key)
	return s
}

func (t ids) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	s, found, err := t.Tier.Get(ctx, t.id(k))
	s.Key = k
	return s, found, err
}

func (t ids) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	r, err := t.Tier.Read(ctx, t.id(k))
	r.Key = k
	return r, err
}

func (t ids) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	short := make([]backends.Key, len(ks))
	for i := range ks {
		short[i] = t.id(ks[i])
	}
	rs, err := t.Tier.ReadMany(ctx, short)
	for i := range rs {
		rs[i].Key = ks[i]
	}
	return rs, err
}

func (t ids) Set(ctx context.Context, s backends.Session) error { return t.Tier.Set(ctx, t.session(s)) }

func (t ids) Revive(ctx context.Context, s backends.Session) error {
	return t.Tier.Revive(ctx, t.session(s))
}

func (t ids) Delete(ctx context.Context, k backends.Key) (bool, error) {
	return t.Tier.Delete(ctx, t.id(k))
}

func (t ids) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	return t.Tier.Bury(ctx, t.id(k), ttl)
}

func (t ids) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	return t.Tier.Touch(ctx, t.id(k), deadline)
}

func (t ids) Add(ctx context.Context, s backends.Session) (bool, error) {
	return t.Tier.Add(ctx, t.session(s))
}

func (t ids) AddUndo(ctx context.Context, s backends.Session) (bool, backends.Undo, error) {
	return t.Tier.AddUndo(ctx, t.session(s))
}

func (t ids) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	g, err := t.Tier.Guard(ctx, t.id(k), notAfter)
	if err != nil {
		return nil, err
	}
	return idGuard{g, t, k}, nil
}

type idGuard struct {
	backends.Guard
	t ids
	k backends.Key
}

func (g idGuard) Record() backends.Record {
	r := g.Guard.Record()
	r.Key = g.k
	return r
}

func (g idGuard) Swap(ctx context.Context, s backends.Session) error {
	return g.Guard.Swap(ctx, g.t.session(s))
}

func (g idGuard) Revive(ctx context.Context, s backends.Session) error {
	return g.Guard.Revive(ctx, g.t.session(s))
}

func (g idGuard) Over(ctx context.Context, s backends.Session) error {
	return g.Guard.Over(ctx, g.t.session(s))
}

// Scan gives names as memcached has them.
func (t ids) Scan(ctx context.Context, prefix string, fn func([]string) error) error {
	short := ""
	if strings.HasPrefix(prefix, t.prefix) {
		short = prefix[len(t.prefix):]
	} else if !strings.HasPrefix(t.prefix, prefix) {
		return nil
	}
	return t.Tier.Scan(ctx, short, func(names []string) error {
		long := make([]string, 0, len(names))
		for _, n := range names {
			if !backends.OwnKey(n) {
				n = t.prefix + n
			}
			long = append(long, n)
		}
		return fn(long)
	})
}
