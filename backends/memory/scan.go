package memory

import (
	"context"
	"slices"

	"github.com/seed-41165957/crossfade/backends"
)

// scanBatch is how many names fn gets at once.
const scanBatch = 1000

// Scan lists names, shard by shard: fn runs with nothing locked.
func (s *Store) Scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if _, err := faulty(s, ctx, OpScan, prefix, func() (struct{}, error) { return struct{}{}, nil }); err != nil {
		return err
	}
	for i := range s.shards {
		names := s.names(&s.shards[i], prefix)
		for batch := range slices.Chunk(names, scanBatch) {
			if err := s.enter(ctx); err != nil {
				return err
			}
			if err := fn(batch); err != nil {
				return err
			}
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
