package redis

import (
	"context"
	"strings"

	goredis "github.com/redis/go-redis/v9"
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

// run runs the script. Where the server has forgotten it (SCRIPT FLUSH), it
// was not run, and is sent in full: that is no retry of a change.
func (sc *script) run(conn *goredis.Conn, keys []string, args ...any) *goredis.Cmd {
	ctx := context.Background()
	cmd := conn.EvalSha(ctx, sc.sha, keys, args...)
	if goredis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		cmd = conn.Eval(ctx, sc.text, keys, args...)
	}
	return cmd
}

// Lives (life) in the scripts: 0 is never, -1 is past.
var (
	// scriptRevive writes a session (KEYS 1) and clears its tombstone (KEYS 2).
	scriptRevive = newScript(`
local px = tonumber(ARGV[2])
if px < 0 then redis.call('DEL', KEYS[1])
elseif px == 0 then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
redis.call('DEL', KEYS[2])
return 1`)

	// scriptAdd writes a session where there is none, and clears its tombstone.
	scriptAdd = newScript(`
local ok
if ARGV[2] == '0' then ok = redis.call('SET', KEYS[1], ARGV[1], 'NX')
else ok = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) end
if not ok then return 0 end
redis.call('DEL', KEYS[2])
return 1`)

	// scriptBury deletes a session and leaves a tombstone.
	scriptBury = newScript(`
local n = redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
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

	// scriptSwap writes sessions (KEYS: session, tombstone, session …; ARGV
	// from 2: data, life, data …) unless the not-after time (ARGV 1, ms of the
	// server's clock) has passed or a tombstone stands. It runs between MULTI
	// and EXEC, whose WATCH says that nothing was modified.
	scriptSwap = newScript(`
local t = redis.call('TIME')
if t[1] * 1000 + t[2] / 1000 > tonumber(ARGV[1]) then return 0 end
for i = 2, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then return 0 end
end
for i = 1, #KEYS, 2 do
  local data, px = ARGV[i + 1], tonumber(ARGV[i + 2])
  if px < 0 then redis.call('DEL', KEYS[i])
  elseif px == 0 then redis.call('SET', KEYS[i], data)
  else redis.call('SET', KEYS[i], data, 'PX', px) end
end
return 1`)

	// scriptGuardRevive is scriptRevive under the same conditions, except that
	// the tombstone is cleared and not tested: WATCH says that it is the one that
	// stood when the guard was made.
	scriptGuardRevive = newScript(`
local t = redis.call('TIME')
if t[1] * 1000 + t[2] / 1000 > tonumber(ARGV[1]) then return 0 end
local data, px = ARGV[2], tonumber(ARGV[3])
if px < 0 then redis.call('DEL', KEYS[1])
elseif px == 0 then redis.call('SET', KEYS[1], data)
else redis.call('SET', KEYS[1], data, 'PX', px) end
redis.call('DEL', KEYS[2])
return 1`)

	// scriptGuardBury is scriptBury under the same conditions.
	scriptGuardBury = newScript(`
local t = redis.call('TIME')
if t[1] * 1000 + t[2] / 1000 > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
return 1`)
)

// script runs a script that answers a number.
func (s *Store) script(ctx context.Context, op string, sc *script, keys []string, args ...any) (int64, error) {
	var cmd *goredis.Cmd
	err := s.changes.do(ctx, op, func(conn *goredis.Conn) error {
		c := sc.run(conn, keys, args...)
		cmd = c
		return c.Err()
	})
	if err != nil {
		return 0, err
	}
	return cmd.Int64()
}
