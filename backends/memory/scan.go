package memory

import (
	"context"
	"strconv"

	"github.com/seed-41165957/crossfade/backends"
)

// scanBatch is how many names fn gets at once.
const scanBatch = 1000

// Scan lists names, shard by shard: fn runs with nothing locked.
func (s *Store) Scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	return s.scan(ctx, prefix, 0, func(names []string, _ int) error { return fn(names) })
}

// ScanFrom implements backends.Resumer: a place is the number of a shard.
func (s *Store) ScanFrom(ctx context.Context, place string, fn func(names []string, next string) error) (fresh bool, err error) {
	from, err := strconv.Atoi(place)
	if err != nil || from < 0 || from > len(s.shards) {
		from, fresh = 0, place != ""
	}
	return fresh, s.scan(ctx, "", from, func(names []string, next int) error { return fn(names, strconv.Itoa(next)) })
}

// Size implements backends.Sizer.
func (s *Store) Size(ctx context.Context) (n int64, err error) {
	for i := range s.shards {
		s.shards[i].mu.Lock()
		n += int64(len(s.shards[i].entries))
		s.shards[i].mu.Unlock()
	}
	return n, s.enter(ctx)
}

// scan goes through the shards from one on. fn gets with each batch the shard
// from which nothing was listed yet.
func (s *Store) scan(ctx context.Context, prefix string, from int, fn func(names []string, next int) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if _, err := faulty(s, ctx, OpScan, prefix, func() (struct{}, error) { return struct{}{}, nil }); err != nil {
		return err
	}
	for i := from; i < len(s.shards); i++ {
		names := s.names(&s.shards[i], prefix)
		for len(names) > 0 {
			if err := s.enter(ctx); err != nil {
				return err
			}
			n, next := min(len(names), scanBatch), i
			if n == len(names) {
				next = i + 1
			}
			if err := fn(names[:n:n], next); err != nil {
				return err
			}
			names = names[n:]
		}
	}
	return s.enter(ctx)
}

func (s *Store) names(sh *shard, prefix string) (names []string) {
	now := s.clock()
	add := func(name string) {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			names = append(names, name)
		}
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for name, e := range sh.entries {
		if e.live(now) {
			add(name)
		}
		if e.buried(now) {
			add(backends.GoneKey(s.opts.Migration, backends.Key{Name: name}).Name)
		}
		if len(e.marks) > 0 && e.marked > now {
			add(backends.MarkKey(s.opts.Migration, backends.Key{Name: name}).Name)
		}
	}
	return names
}
