package redis

import (
	"bytes"
	"context"
	"crypto/rand"
	"math"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// same refuses after the not-after time (ARGV 1, ms of the server's clock), and
// where what stands is not what was seen: ARGV 2 is the data's hash and the
// flags, 3 the session's end (-1: never, -2: it is not there), 4 the tombstone's
// value, 5 the count of changes. Before Redis 7 time goes on in a script, so ends are the same that lie
// within 2 ms.
const same = `
local t = redis.call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)
if ms > tonumber(ARGV[1]) then return 0 end
local data, sum = redis.call('GET', KEYS[1]), ''
if data then sum = redis.sha1hex(data) .. (KEYS[3] and redis.call('GET', KEYS[3]) or '') end
if sum ~= ARGV[2] or (redis.call('GET', KEYS[2]) or '') ~= ARGV[4] or (redis.call('GET', ARGV[#ARGV]) or '') ~= ARGV[5] then return 0 end
local was, is = tonumber(ARGV[3]), redis.call('PTTL', KEYS[1])
if is >= 0 then is = is + ms end
if was ~= is and (was < 0 or is < 0 or math.abs(was - is) > 2) then return 0 end
`

var (
	scriptSameSwap = loose(put + same + bump + `
put(KEYS[1], KEYS[3], ARGV[6], ARGV[7], ARGV[8])
redis.call('DEL', KEYS[2])
return 1`)
	scriptSameBury = loose(same + bump + `
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[7], 'PX', ARGV[6])
if KEYS[3] then redis.call('DEL', KEYS[3]) end
return 1`)
	scriptSameDrop = loose(same + bump + `
redis.call('DEL', KEYS[1])
if KEYS[3] then redis.call('DEL', KEYS[3]) end
return 1`)
)

// sameGuard compares, in the script that writes, what stands with what was seen.
// It holds nothing.
type sameGuard struct {
	s        *Store
	seen     seen
	notAfter int64
	used     bool
}

// Guard implements backends.Guarder.
func (p *Proxied) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	s := p.s
	if err := s.enterSession(ctx, k); err != nil {
		return nil, err
	}
	c, err := s.send(ctx, "guard", k.Name, false, func(_ *node, c *call) { s.askWhole(c, k) })
	if err != nil {
		return nil, err
	}
	defer c.Free()
	v, err := s.only.whole(c.answer(0), k)
	if err != nil {
		return nil, s.plain("guard", err)
	}
	// What the answer took to arrive makes the end earlier, never later.
	return &sameGuard{s: s, seen: v, notAfter: v.server.Add(time.Until(notAfter)).UnixMilli()}, nil
}

func (g *sameGuard) Record() backends.Record { return g.seen.rec }

func (g *sameGuard) grave() bool { return g.seen.stone != "" }

func (g *sameGuard) Swap(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, "swap", sess, g.grave())
}

func (g *sameGuard) Revive(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, "guarded revive", sess, g.grave() && !g.seen.rec.Gone)
}

func (g *sameGuard) Over(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, "guarded revive", sess, false)
}

func (g *sameGuard) swap(ctx context.Context, op string, sess backends.Session, refused bool) error {
	if err := g.s.enterData(ctx, sess); err != nil {
		return err
	}
	if refused {
		return backends.ErrConflict
	}
	args := 2
	if g.s.opts.KeepFlags {
		args++
	}
	return g.run(ctx, op, scriptSameSwap, args, func(n *node, c *call) {
		end := n.end(sess.Deadline)
		if r := &g.seen.rec; r.Found && r.Deadline.Equal(sess.Deadline) && !past(sess.Deadline) {
			end = endKept
		}
		c.bytes(sess.Data).num(end)
		if g.s.opts.KeepFlags {
			c.str(formatFlags(sess))
		}
	})
}

func (g *sameGuard) Bury(ctx context.Context, ttl time.Duration) error {
	if err := g.s.enter(ctx); err != nil {
		return err
	}
	return g.run(ctx, "guarded bury", scriptSameBury, 2, func(_ *node, c *call) { c.num(ttlMillis(ttl)).str(rand.Text()) })
}

// run runs a script that begins with same, once.
func (g *sameGuard) run(ctx context.Context, op string, sc *script, args int, add func(*node, *call)) error {
	if g.used {
		return backends.ErrConflict
	}
	g.used = true
	n, err := (&Proxied{g.s}).change(ctx, op, sc, g.seen.rec.Key, g.s.kin(g.seen.rec.Key), 5+args, func(n *node, c *call) {
		c.num(g.notAfter).str(g.seen.sum).num(g.seen.end).str(g.seen.stone).str(g.seen.count)
		add(n, c)
	})
	if err == nil && n == 0 {
		err = backends.ErrConflict
	}
	return err
}

func (g *sameGuard) Release() { g.used = true }

// AddUndo looks, in the same packet, at what it has added.
func (p *Proxied) AddUndo(ctx context.Context, sess backends.Session) (bool, backends.Undo, error) {
	s := p.s
	if err := s.enterData(ctx, sess); err != nil {
		return false, nil, err
	}
	if past(sess.Deadline) {
		stored, err := s.absent(ctx, sess.Key)
		if !stored {
			return false, nil, err
		}
		return true, &undo{nothing: true}, nil
	}
	kin, args := s.kin(sess.Key), 3
	if s.opts.KeepFlags {
		args++
	}
	c, err := s.send(ctx, "add", sess.Key.Name, true, func(n *node, c *call) {
		c.cmd(3+len(kin)+args, "eval").str(scriptPutNew.text).num(int64(len(kin))).strs(kin...)
		s.session(n, c, sess)
		c.str(s.version(sess.Key))
		s.askWhole(c, sess.Key)
	})
	if err != nil {
		return false, nil, err
	}
	defer c.Free()
	n, err := c.answer(0).num()
	if n == 0 || err != nil {
		return false, nil, s.plain("add", err)
	}
	v, err := s.only.whole(c.answer(1), sess.Key)
	if err != nil {
		return false, nil, s.plain("add", err)
	}
	g := &sameGuard{s: s, seen: v, notAfter: math.MaxInt64 >> 10, used: !v.rec.Found || !bytes.Equal(v.rec.Data, sess.Data)}
	return true, sameUndo{g}, nil
}

// sameUndo removes what stands as it was added.
type sameUndo struct{ g *sameGuard }

func (u sameUndo) Undo(ctx context.Context) error {
	if err := u.g.s.enter(ctx); err != nil {
		return err
	}
	return u.g.run(ctx, "undo", scriptSameDrop, 0, none)
}

func (u sameUndo) Release() { u.g.Release() }
