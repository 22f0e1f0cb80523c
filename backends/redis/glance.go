package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// glance looks at many watched keys with four commands in all, where look takes
// three for each: most of what a backfill looks at is not there yet. What is
// there, and what is buried, costs a second round trip.
type glance struct {
	store *Store
	keys  []backends.Key
	data  *goredis.SliceCmd
	here  *goredis.IntCmd // how many exist, of any type
	gone  *goredis.IntCmd // how many are buried
	flags *goredis.SliceCmd
}

func (s *Store) glance(pipe goredis.Pipeliner, ks []backends.Key) glance {
	ctx := context.Background()
	names, graves := make([]string, len(ks)), make([]string, len(ks))
	for i, k := range ks {
		names[i], graves[i] = k.Name, s.gone(k)
	}
	g := glance{store: s, keys: ks, data: pipe.MGet(ctx, names...), here: pipe.Exists(ctx, names...), gone: pipe.Exists(ctx, graves...)}
	if s.opts.KeepFlags {
		beside := make([]string, len(ks))
		for i, k := range ks {
			beside[i] = s.flagsKey(k)
		}
		g.flags = pipe.MGet(ctx, beside...)
	}
	return g
}

// records asks for what the glance does not say. What changes between the two
// is watched: nothing is written then.
func (g glance) records(n *node, conn *goredis.Conn) (recs []backends.Record, buried bool, err error) {
	data, err := g.data.Result()
	here, err2 := g.here.Result()
	gone, err3 := g.gone.Result()
	if err = errors.Join(err, err2, err3); err != nil {
		return nil, false, err
	}
	if g.flags != nil && g.flags.Err() != nil {
		return nil, false, g.flags.Err()
	}
	var found []int
	for i, d := range data {
		if d != nil {
			found = append(found, i)
		}
	}
	ctx := context.Background()
	sent := time.Now()
	pipe := conn.Pipeline()
	clock := pipe.Time(ctx)
	if len(found) != int(here) {
		// MGET gives nil for what is no string, where GET says so.
		looks := g.store.look(pipe, g.keys)
		if err := exec(ctx, pipe); err != nil {
			return nil, false, err
		}
		now, err := n.notedBy(clock, sent)
		if err != nil {
			return nil, false, err
		}
		return n.records(looks, now)
	}
	ttls, graves := make([]*goredis.Cmd, len(data)), make([]*goredis.IntCmd, len(data))
	for _, i := range found {
		ttls[i] = pipe.Do(ctx, "pttl", g.keys[i].Name)
	}
	for i := range data {
		if gone > 0 {
			graves[i] = pipe.Exists(ctx, g.store.gone(g.keys[i]))
		}
	}
	var now time.Time // the server's
	if pipe.Len() > 1 {
		if err := exec(ctx, pipe); err != nil {
			return nil, false, err
		}
		if now, err = n.notedBy(clock, sent); err != nil {
			return nil, false, err
		}
	}
	recs = make([]backends.Record, len(data))
	for i := range data {
		grave := false
		if gone > 0 {
			stone, err := graves[i].Result()
			if err != nil {
				return nil, false, err
			}
			grave = stone > 0
			buried = buried || grave
		}
		text, ok := data[i].(string)
		ttl := int64(-2)
		if ok {
			if ttl, err = ttls[i].Int64(); err != nil {
				return nil, false, err
			}
		}
		recs[i] = n.record(g.keys[i], ok, []byte(text), ttl, grave, now)
		if recs[i].Found && g.flags != nil {
			kept, _ := g.flags.Val()[i].(string)
			recs[i].Flags = parseFlags([]byte(kept), g.keys[i], recs[i].Data)
		}
	}
	return recs, buried, nil
}
