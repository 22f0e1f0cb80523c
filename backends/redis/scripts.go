package redis

import (
	"context"
	"errors"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// script is a Lua script that the server keeps; each line loads them all.
type script struct {
	text string
	sha  string
}

func newScript(text string) *script {
	text = strings.TrimSpace(text)
	sc := &script{text: text, sha: goredis.NewScript(text).Hash()}
	scripts = append(scripts, sc)
	return sc
}

var scripts []*script

// put is what the scripts write a session with: its name, that of its flags
// (nil without KeepFlags), data, end and flags (” for none). Ends (node.end): 0
// is never, -1 is past, -2 that which it has, any other a moment in ms of the
// server's clock. PXAT would say the same, but not to a Redis before 6.2; what the
// two ways differ in is at most the millisecond that has begun. An end is kept
// with KEEPTTL, where the server knows it (6.0): between two commands of a script
// the clock may go on (7.0.15), and the time left creeps. Flags that are new get
// the time left, once.
const put = `
local now
local function keep(k, data, px)
  local said = redis.pcall('SET', k, data, 'KEEPTTL')
  if type(said) == 'table' and said.err then redis.call('SET', k, data, 'PX', px) end
end
local function put(k, f, data, at, flags)
  local n = tonumber(at)
  local kept = n == -2
  if kept then
    n = redis.call('PTTL', k)
    if n == -1 then n = 0 elseif n <= 0 then n = -1 end
  elseif n > 0 then
    if not now then
      local t = redis.call('TIME')
      now = t[1] * 1000 + math.floor(t[2] / 1000)
    end
    n = n - now
    if n <= 0 then n = -1 end
  end
  local px = string.format('%.0f', n)
  if n < 0 then redis.call('DEL', k)
  elseif n == 0 then redis.call('SET', k, data)
  elseif kept then keep(k, data, px)
  else redis.call('SET', k, data, 'PX', px) end
  if not f then return end
  if n < 0 or flags == '' then redis.call('DEL', f)
  elseif n == 0 then redis.call('SET', f, flags)
  elseif kept and redis.call('PTTL', f) > 0 then keep(f, flags, px)
  else redis.call('SET', f, flags, 'PX', px) end
end
`

// late refuses after the not-after time (ARGV 1, ms of the server's clock).
const late = `
local t = redis.call('TIME')
if t[1] * 1000 + t[2] / 1000 > tonumber(ARGV[1]) then return 0 end
`

// KEYS are the session, its tombstone and, with KeepFlags, its flags (kin),
// except where a script says otherwise.
var (
	// scriptGet reads a session and its flags (KEYS: these two).
	scriptGet = newScript(`return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}`)

	// scriptLook reads all that stands for a key.
	scriptLook = newScript(`
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1]), redis.call('EXISTS', KEYS[2]), KEYS[3] and redis.call('GET', KEYS[3])}`)

	// scriptTouch moves the deadline of a session and its flags (KEYS: these
	// two), or removes both.
	scriptTouch = newScript(`
local at, n = tonumber(ARGV[1])
if at < 0 then
  n = redis.call('DEL', KEYS[1])
  redis.call('DEL', KEYS[2])
elseif at == 0 then
  n = redis.call('EXISTS', KEYS[1])
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
else
  n = redis.call('PEXPIREAT', KEYS[1], ARGV[1])
  redis.call('PEXPIREAT', KEYS[2], ARGV[1])
end
return n`)

	// scriptRevive writes a session and clears its tombstone.
	scriptRevive = newScript(put + `
put(KEYS[1], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
redis.call('DEL', KEYS[2])
return 1`)

	// scriptAdd writes a session where there is none, and clears its tombstone.
	scriptAdd = newScript(put + `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
put(KEYS[1], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
redis.call('DEL', KEYS[2])
return 1`)

	// scriptBury deletes a session and leaves a tombstone.
	scriptBury = newScript(`
local n = redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
if KEYS[3] then redis.call('DEL', KEYS[3]) end
return n`)

	// scriptUnlock is compare and delete.
	scriptUnlock = newScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

	// scriptMark adds to the set of marks and never shortens its life.
	scriptMark = newScript(`
local was, ttl = redis.call('PTTL', KEYS[1]), tonumber(ARGV[2])
redis.call('SADD', KEYS[1], ARGV[1])
if ttl == 0 then if was >= 0 then redis.call('PERSIST', KEYS[1]) end
elseif was == -2 or (was >= 0 and was < ttl) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`)

	// scriptSwap writes sessions (KEYS: each and, with KeepFlags, its flags; ARGV
	// 2: how many keys that is; from 3: data, end and, with KeepFlags, flags of
	// each) unless it is late. It runs between MULTI and EXEC, whose WATCH says
	// that nothing was modified, and that no tombstone has come.
	scriptSwap = newScript(put + late + `
local kin = tonumber(ARGV[2])
local at = 3
for i = 1, #KEYS, kin do
  put(KEYS[i], kin == 2 and KEYS[i + 1], ARGV[at], ARGV[at + 1], ARGV[at + 2])
  at = at + kin + 1
end
return 1`)

	// scriptGuardRevive is scriptRevive under the same conditions (ARGV from 2:
	// data, end, flags), except that the tombstone is cleared: WATCH says that it
	// is the one that stood when the guard was made.
	scriptGuardRevive = newScript(put + late + `
put(KEYS[1], KEYS[3], ARGV[2], ARGV[3], ARGV[4])
redis.call('DEL', KEYS[2])
return 1`)

	// scriptGuardBury is scriptBury under the same conditions (ARGV 2: ttl).
	scriptGuardBury = newScript(late + `
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
if KEYS[3] then redis.call('DEL', KEYS[3]) end
return 1`)
)

// script runs a script that answers a number; add gives it its args words.
func (s *Store) script(ctx context.Context, op string, sc *script, keys []string, args int, add func(*node, *call)) (int64, error) {
	c, err := s.eval(ctx, op, true, sc, keys, args, add)
	if err != nil {
		return 0, err
	}
	defer c.Free()
	n, err := c.answer(0).num()
	return n, s.plain(op, err)
}

// eval runs a script. Where the server has forgotten it (SCRIPT FLUSH), it was
// not run, and is sent in full: that is no retry of a change.
func (s *Store) eval(ctx context.Context, op string, changes bool, sc *script, keys []string, args int, add func(*node, *call)) (*call, error) {
	c, err := s.send(ctx, op, keys[0], changes, func(n *node, c *call) {
		c.cmd(3+len(keys)+args, "evalsha").str(sc.sha).num(int64(len(keys))).strs(keys...)
		add(n, c)
	})
	var r *ReplyError
	if err == nil || !errors.As(err, &r) || r.Code != "NOSCRIPT" {
		return c, err
	}
	return s.send(ctx, op, keys[0], changes, func(n *node, c *call) {
		c.cmd(3+len(keys)+args, "eval").str(sc.text).num(int64(len(keys))).strs(keys...)
		add(n, c)
	})
}

// write runs a script that writes one session and answers a number.
func (s *Store) write(ctx context.Context, op string, sc *script, keys []string, sess backends.Session) (int64, error) {
	args := 2
	if s.opts.KeepFlags {
		args = 3
	}
	return s.script(ctx, op, sc, keys, args, func(n *node, c *call) {
		c.bytes(sess.Data).num(n.end(sess.Deadline))
		if s.opts.KeepFlags {
			c.str(formatFlags(sess))
		}
	})
}
