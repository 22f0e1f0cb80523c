package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// Proxied is a session store on Redis behind twemproxy (tried with 0.5.0), which
// passes commands of one key and scripts, and closes the connection for all that
// a Store asks of a server itself.
//
// Whatever concerns a session is one script whose first key is the session's, so
// it runs on the session's server, however the proxy spreads keys: tombstones
// and client flags lie there too, and not where the proxy would look for their
// names. What is lost with the proxy, Lost says.
//
// It promises what Store does, but for that: the token of a Guard is data, flags,
// deadline (to the millisecond), and a count of what was changed through a
// Proxied. Of what native clients change, the same bytes with the same deadline
// are the same to it.
type Proxied struct {
	s *Store
}

// Lost is what no store behind a proxy can do.
const Lost = "behind a proxy: no listing (as old no backfill: sessions move as they are used; as old or new, read-new and the way back wait for the longest max_age; where the other store lists nothing either, the migration ends at fenced), a call in doubt stays so until its late answer, " +
	"a server that stands still delays what others are asked until the proxy gives it up, " +
	"and a copy takes what a native client has written again, with the same bytes and deadline, for what was there"

var (
	_ backends.Store       = (*Proxied)(nil)
	_ backends.Reader      = (*Proxied)(nil)
	_ backends.Toucher     = (*Proxied)(nil)
	_ backends.Adder       = (*Proxied)(nil)
	_ backends.Guarder     = (*Proxied)(nil)
	_ backends.Tombstoner  = (*Proxied)(nil)
	_ backends.Marker      = (*Proxied)(nil)
	_ backends.Locker      = (*Proxied)(nil)
	_ backends.Scanner     = (*Proxied)(nil)
	_ backends.BatchReader = (*Proxied)(nil)
	_ backends.Healther    = (*Proxied)(nil)
	_ backends.FlagKeeper  = (*Proxied)(nil)
	_ backends.Taker       = (*Proxied)(nil)
	_ backends.Pooled      = (*Proxied)(nil)
)

// NewProxied makes a store at opts.Addr, the proxy's. Cluster, Sentinel,
// Username and DB are not for it. Nothing is dialled before the first call.
func NewProxied(opts Options) *Proxied {
	opts.Cluster, opts.Sentinel, opts.Username, opts.DB = nil, Sentinel{}, "", 0
	s := New(opts)
	s.proxied = true
	return &Proxied{s}
}

// loose is a script that servers are not taught at connect.
func loose(text string) *script {
	text = strings.TrimSpace(text)
	return &script{text: text, sha: goredis.NewScript(text).Hash()}
}

// bump counts a change of a session (the last of ARGV: where), so that guards see
// it that leaves what was there before. It is kept for longer than any guard is
// good for.
const bump = `
redis.call('INCR', ARGV[#ARGV])
redis.call('PEXPIRE', ARGV[#ARGV], 60000)
`

var (
	scriptMove    = loose(bump + scriptTouch.text)
	scriptPutBack = loose(bump + scriptRevive.text)
	scriptPutNew  = loose(bump + scriptAdd.text)
)

// change runs a script that begins with bump.
func (p *Proxied) change(ctx context.Context, op string, sc *script, k backends.Key, keys []string, args int, add func(*node, *call)) (int64, error) {
	return p.s.script(ctx, op, sc, keys, args+1, func(n *node, c *call) {
		add(n, c)
		c.str(p.s.version(k))
	})
}

func (s *Store) version(k backends.Key) string { return backends.VersionKey(s.opts.Migration, k).Name }

// write runs one that writes a session.
func (p *Proxied) write(ctx context.Context, op string, sc *script, sess backends.Session) (int64, error) {
	args := 2
	if p.s.opts.KeepFlags {
		args++
	}
	return p.change(ctx, op, sc, sess.Key, p.s.kin(sess.Key), args, func(n *node, c *call) { p.s.session(n, c, sess) })
}

// session adds what scripts take of a session.
func (s *Store) session(n *node, c *call, sess backends.Session) {
	c.bytes(sess.Data).num(n.end(sess.Deadline))
	if s.opts.KeepFlags {
		c.str(formatFlags(sess))
	}
}

// move moves a deadline, or removes.
func (p *Proxied) move(ctx context.Context, op string, k backends.Key, end func(*node) int64) (bool, error) {
	if err := p.s.enterSession(ctx, k); err != nil {
		return false, err
	}
	beside := k.Name
	if p.s.opts.KeepFlags {
		beside = p.s.flagsKey(k)
	}
	n, err := p.change(ctx, op, scriptMove, k, []string{k.Name, beside}, 1, func(n *node, c *call) { c.num(end(n)) })
	return n > 0, err
}

var (
	// scriptPut writes a session and its flags (KEYS: kin), and leaves a tombstone.
	scriptPut = loose(bump + put + `
put(KEYS[1], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
return 1`)
	// scriptStone is scriptBury with a tombstone of its own (ARGV 2), so that
	// one is told from the next.
	scriptStone = loose(bump + `
local n = redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[1])
if KEYS[3] then redis.call('DEL', KEYS[3]) end
return n`)
)

func none(*node, *call) {}

// Get implements backends.Store.
func (p *Proxied) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	if !p.s.opts.KeepFlags {
		return p.s.Get(ctx, k)
	}
	if err := p.s.enterSession(ctx, k); err != nil {
		return backends.Session{}, false, err
	}
	c, err := p.s.eval(ctx, "get", false, scriptGet, []string{k.Name, p.s.flagsKey(k)}, 0, none)
	if err != nil {
		return backends.Session{}, false, err
	}
	defer c.Free()
	both, err := c.answer(0).items(2)
	if err != nil {
		return backends.Session{}, false, p.s.plain("get", err)
	}
	data, found, err := both[0].str()
	if !found {
		return backends.Session{Key: k}, false, p.s.plain("get", err)
	}
	return backends.Session{Key: k, Data: data, Flags: parseFlags(both[1].text, k, data), DeadlineUnknown: true}, true, nil
}

// Set implements backends.Store.
func (p *Proxied) Set(ctx context.Context, sess backends.Session) error {
	if err := p.s.enterData(ctx, sess); err != nil {
		return err
	}
	_, err := p.write(ctx, "set", scriptPut, sess)
	return err
}

// Add implements backends.Adder.
func (p *Proxied) Add(ctx context.Context, sess backends.Session) (bool, error) {
	if err := p.s.enterData(ctx, sess); err != nil {
		return false, err
	}
	if past(sess.Deadline) {
		return p.s.absent(ctx, sess.Key)
	}
	n, err := p.write(ctx, "add", scriptPutNew, sess)
	return n > 0, err
}

// Revive implements backends.Tombstoner.
func (p *Proxied) Revive(ctx context.Context, sess backends.Session) error {
	if err := p.s.enterData(ctx, sess); err != nil {
		return err
	}
	_, err := p.write(ctx, "revive", scriptPutBack, sess)
	return err
}

// Bury implements backends.Tombstoner.
func (p *Proxied) Bury(ctx context.Context, k backends.Key, ttl time.Duration) (bool, error) {
	if err := p.s.enterSession(ctx, k); err != nil {
		return false, err
	}
	n, err := p.change(ctx, "bury", scriptStone, k, p.s.kin(k), 2, func(_ *node, c *call) { c.num(ttlMillis(ttl)).str(rand.Text()) })
	return n > 0, err
}

// Delete implements backends.Store.
func (p *Proxied) Delete(ctx context.Context, k backends.Key) (bool, error) {
	return p.move(ctx, "delete", k, func(*node) int64 { return endPast })
}

// Touch implements backends.Toucher.
func (p *Proxied) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	return p.move(ctx, "touch", k, func(n *node) int64 { return n.end(deadline) })
}

// Scan is refused.
func (p *Proxied) Scan(ctx context.Context, _ string, _ func([]string) error) error {
	if err := p.s.enter(ctx); err != nil {
		return err
	}
	return fmt.Errorf("backends/redis: a proxy stands before the server: %w", backends.ErrUnlisted)
}

// Preflight says what is lost.
func (p *Proxied) Preflight(ctx context.Context, _ []string) ([]Finding, error) {
	if _, err := p.Health(ctx); err != nil {
		return nil, err
	}
	return []Finding{
		{Host: p.s.opts.Addr, What: "proxy", OK: true, Found: Lost},
		{Host: p.s.opts.Addr, What: "listing", Found: "a proxy has none", Mend: "name the server itself, where it is one; else give each kind its max_age: so long read-new and the way back wait"},
	}, nil
}

// What follows is the Store's.

func (p *Proxied) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	return p.s.Marks(ctx, k)
}
func (p *Proxied) PutMark(ctx context.Context, k backends.Key, m backends.Mark, ttl time.Duration) error {
	return p.s.PutMark(ctx, k, m, ttl)
}
func (p *Proxied) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	return p.s.DropMarks(ctx, k, ms)
}
func (p *Proxied) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (bool, error) {
	return p.s.Lock(ctx, k, value, ttl)
}
func (p *Proxied) Unlock(ctx context.Context, k backends.Key, value string) (bool, error) {
	return p.s.Unlock(ctx, k, value)
}
func (p *Proxied) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	return p.s.LockValue(ctx, k)
}
func (p *Proxied) Settle(ctx context.Context, conn, runID string) error {
	return p.s.Settle(ctx, conn, runID)
}
func (p *Proxied) KeepsFlags() bool                { return p.s.KeepsFlags() }
func (p *Proxied) TakesData() bool                 { return p.s.TakesData() }
func (p *Proxied) Connections() (open, parked int) { return p.s.Connections() }
func (p *Proxied) Close() error                    { return p.s.Close() }
