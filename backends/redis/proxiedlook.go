package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// scriptWhole reads all that stands for a key (KEYS: kin, ARGV 1: where its changes
// are counted), and when.
var scriptWhole = loose(`
local t = redis.call('TIME')
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1]), redis.call('GET', KEYS[2]), KEYS[3] and redis.call('GET', KEYS[3]) or false, t[1], t[2], redis.call('GET', ARGV[1])}`)

// seen is what stood for a key: what same compares.
type seen struct {
	rec    backends.Record
	sum    string
	end    int64
	stone  string // the tombstone's value; empty: there is none
	count  string // of changes; empty: none lately
	server time.Time
}

// askWhole adds the question of scriptWhole.
func (s *Store) askWhole(c *call, k backends.Key) {
	kin := s.kin(k)
	c.cmd(4+len(kin), "eval").str(scriptWhole.text).num(int64(len(kin))).strs(kin...).str(s.version(k))
}

// whole reads its answer.
func (n *node) whole(r *reply, k backends.Key) (v seen, err error) {
	all, err := r.items(7)
	if err != nil {
		return v, err
	}
	data, found, err := all[0].str()
	if err != nil {
		return v, err
	}
	ttl, err := all[1].num()
	if err != nil {
		return v, err
	}
	stone, grave, err := all[2].str()
	if err != nil {
		return v, err
	}
	clock := reply{kind: '*', list: all[4:6]}
	if v.server, err = clock.time(); err != nil {
		return v, err
	}
	v.rec, v.stone, v.end, v.count = n.record(k, found, data, ttl, grave, v.server), string(stone), ttl, string(all[6].text)
	if ttl >= 0 {
		v.end += v.server.UnixMilli()
	}
	if found {
		kept := all[3].text
		hash := sha1.Sum(data)
		v.sum = hex.EncodeToString(hash[:]) + string(kept)
		if n.store.opts.KeepFlags {
			v.rec.Flags = parseFlags(kept, k, data)
		}
	}
	return v, nil
}

// wholeBatch is how many keys of a ReadMany go into one packet.
const wholeBatch = 64

// ReadMany implements backends.BatchReader: each key at one moment of its server.
func (p *Proxied) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	s := p.s
	if err := s.enterSession(ctx, ks...); err != nil {
		return nil, err
	}
	recs := make([]backends.Record, 0, len(ks))
	for len(ks) > 0 {
		some := ks[:min(len(ks), wholeBatch)]
		ks = ks[len(some):]
		c, err := s.send(ctx, "read", some[0].Name, false, func(_ *node, c *call) {
			for _, k := range some {
				s.askWhole(c, k)
			}
		})
		if err != nil {
			return nil, err
		}
		for i, k := range some {
			v, err := s.only.whole(c.answer(i), k)
			if err != nil {
				c.Free()
				return nil, s.plain("read", err)
			}
			recs = append(recs, v.rec)
		}
		c.Free()
	}
	return recs, nil
}

// Read implements backends.Reader.
func (p *Proxied) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	recs, err := p.ReadMany(ctx, []backends.Key{k})
	if err != nil {
		return backends.Record{}, err
	}
	return recs[0], nil
}
