package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// Read looks at one moment of the server (MULTI).
func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	recs, err := s.readMany(ctx, "read", []backends.Key{k})
	if err != nil {
		return backends.Record{}, err
	}
	return recs[0], nil
}

// ReadMany looks at all keys at one moment of the server (MULTI); in a cluster
// at each key at one moment of its server.
func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	if _, ok := s.layout.(*cluster); ok && len(ks) > 1 {
		return s.readApart(ctx, ks)
	}
	return s.readMany(ctx, "read many", ks)
}

// readMany reads keys that lie on one server, in a cluster in one slot.
func (s *Store) readMany(ctx context.Context, op string, ks []backends.Key) ([]backends.Record, error) {
	if err := s.enterSession(ctx, ks...); err != nil || len(ks) == 0 {
		return nil, err
	}
	var sent time.Time
	var asked *node
	c, err := s.send(ctx, op, ks[0].Name, false, func(n *node, c *call) {
		sent, asked = time.Now(), n
		c.cmd(1, "multi").cmd(1, "time")
		for _, k := range ks {
			c.cmd(2, "get").str(k.Name).cmd(2, "pttl").str(k.Name).cmd(2, "exists").str(s.gone(k))
			if s.opts.KeepFlags {
				c.cmd(2, "get").str(s.flagsKey(k))
			}
		}
		c.cmd(1, "exec")
	})
	if err != nil {
		return nil, err
	}
	defer c.Free()
	recs, err := asked.looked(c, ks, sent)
	return recs, s.plain(op, err)
}

// looked reads the answers: an array of the time and of three or four for each
// key.
func (n *node) looked(c *call, ks []backends.Key, sent time.Time) ([]backends.Record, error) {
	each := 3
	if n.store.opts.KeepFlags {
		each = 4
	}
	all, err := c.answer(c.cmds - c.skip - 1).items(1 + each*len(ks))
	if err != nil {
		return nil, err
	}
	now, err := all[0].time()
	if now, err = n.noted(now, err, sent); err != nil {
		return nil, err
	}
	recs := make([]backends.Record, len(ks))
	for i, k := range ks {
		one := all[1+each*i:][:each]
		data, found, err := one[0].str()
		ttl, err2 := one[1].num()
		gone, err3 := one[2].num()
		if err = errors.Join(err, err2, err3); err != nil {
			return nil, err
		}
		recs[i] = n.record(k, found, data, ttl, gone > 0, now)
		if recs[i].Found && each == 4 {
			kept, _, err := one[3].str()
			if err != nil {
				return nil, err
			}
			recs[i].Flags = parseFlags(kept, k, data)
		}
	}
	return recs, nil
}

// look asks for all that stands for each key.
func (s *Store) look(pipe goredis.Pipeliner, ks []backends.Key) []look {
	ctx := context.Background()
	looks := make([]look, len(ks))
	for i, k := range ks {
		looks[i] = look{key: k, data: pipe.Get(ctx, k.Name), ttl: pipe.Do(ctx, "pttl", k.Name), gone: pipe.Exists(ctx, s.gone(k))}
		if s.opts.KeepFlags {
			looks[i].flags = pipe.Get(ctx, s.flagsKey(k))
		}
	}
	return looks
}

// look is the answers for one key.
type look struct {
	key   backends.Key
	data  *goredis.StringCmd
	ttl   *goredis.Cmd
	gone  *goredis.IntCmd
	flags *goredis.StringCmd // nil without KeepFlags
}

// record reads the answers; now is when they were given, by the server's clock.
// buried is set where a tombstone stands, also beside a session.
func (l look) record(n *node, now time.Time) (r backends.Record, buried bool, err error) {
	gone, err := l.gone.Result()
	if err != nil {
		return r, false, err
	}
	ttl, err := l.ttl.Int64()
	if err != nil {
		return r, false, err
	}
	data, err := l.data.Bytes()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return r, false, err
	}
	found, kept := err == nil, ""
	if l.flags != nil {
		if kept, err = l.flags.Result(); err != nil && !errors.Is(err, goredis.Nil) {
			return r, false, err
		}
	}
	r = n.record(l.key, found, data, ttl, gone > 0, now)
	if r.Found && l.flags != nil {
		r.Flags = parseFlags([]byte(kept), l.key, data)
	}
	return r, gone > 0, nil
}

func (n *node) records(looks []look, now time.Time) (recs []backends.Record, buried bool, err error) {
	recs = make([]backends.Record, len(looks))
	for i := range looks {
		var b bool
		if recs[i], b, err = looks[i].record(n, now); err != nil {
			return nil, false, err
		}
		buried = buried || b
	}
	return recs, buried, nil
}

// record puts together what was read. PTTL says -2 where there is no key, and
// -1 for one that never ends (commands/pttl).
func (n *node) record(k backends.Key, found bool, data []byte, ttl int64, gone bool, now time.Time) backends.Record {
	r := backends.Record{Session: backends.Session{Key: k}}
	if !found || ttl == -2 {
		r.Gone = gone
		return r
	}
	r.Found, r.Data = true, data
	if data == nil {
		r.Data = []byte{}
	}
	if ttl >= 0 {
		r.Deadline = n.deadline(now, ttl)
	}
	return r
}

// readApart reads keys of any slots: one packet to each master that has some,
// a script for each key. What could not be read there is read alone.
func (s *Store) readApart(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	if err := s.enterSession(ctx, ks...); err != nil {
		return nil, err
	}
	groups := map[*node][]int{}
	for i, k := range ks {
		n, err := s.layout.node(ctx, k.Name)
		if err != nil {
			return nil, err
		}
		groups[n] = append(groups[n], i)
	}
	recs := make([]backends.Record, len(ks))
	var wg sync.WaitGroup
	var mu sync.Mutex
	var left []int // guarded by mu
	for n, group := range groups {
		wg.Go(func() {
			failed := s.readOn(ctx, n, ks, group, recs)
			mu.Lock()
			defer mu.Unlock()
			left = append(left, failed...)
		})
	}
	wg.Wait()
	for _, i := range left {
		one, err := s.readMany(ctx, "read many", ks[i:i+1])
		if err != nil {
			return nil, err
		}
		recs[i] = one[0]
	}
	return recs, nil
}

// readOn reads the keys of group on one server into recs, and gives those for
// which it has no answer.
func (s *Store) readOn(ctx context.Context, n *node, ks []backends.Key, group []int, recs []backends.Record) (failed []int) {
	sent := time.Now()
	c, err := n.send(ctx, "read many", false, false, func(_ *node, c *call) {
		c.cmd(1, "time").cmd(3, "script").str("load").str(scriptLook.text) // it is there for the rest
		for _, g := range group {
			kin := s.kin(ks[g])
			c.cmd(3+len(kin), "evalsha").str(scriptLook.sha).num(int64(len(kin))).strs(kin...)
		}
	})
	if err != nil {
		return group
	}
	defer c.Free()
	now, err := c.answer(0).time()
	if now, err = n.noted(now, err, sent); err != nil {
		return group
	}
	for i, g := range group {
		all, err := c.answer(2 + i).items(4)
		if err != nil {
			failed = append(failed, g)
			continue
		}
		ttl, err := all[1].num()
		if err != nil {
			failed = append(failed, g)
			continue
		}
		recs[g] = n.record(ks[g], all[0].kind == '$' && !all[0].null, all[0].text, ttl, all[2].n > 0, now)
		if recs[g].Found && s.opts.KeepFlags {
			recs[g].Flags = parseFlags(all[3].text, ks[g], recs[g].Data)
		}
	}
	return failed
}
