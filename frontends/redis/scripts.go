package redis

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"sync"
)

// action is what a script comes to. There is no Lua here: a script is known by
// its text, and does what Sessions has for it.
type action uint8

const (
	nothing action = iota // the script is not known
	unlocks
	locks
	extends // which is refused: the stores' decider granted the lock for a time
)

// known are scripts of locks. Their digests are known from the start, so that
// EVALSHA works at once; the same scripts with other white space, quotes and
// comments are when they were sent.
var known = []struct {
	text string
	does action
}{
	// phpredis (redis_session.c, LOCK_RELEASE_LUA_STR; seen on the wire with
	// 5.3.7). Laravel's locks and the page of Redis on SET have it on lines.
	{`if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end`, unlocks},
	// redis-py (lock.py since 3.0): release, extend, reacquire.
	{`
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        redis.call('del', KEYS[1])
        return 1
    `, unlocks},
	{`
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        local expiration = redis.call('pttl', KEYS[1])
        if not expiration then
            expiration = 0
        end
        if expiration < 0 then
            return 0
        end

        local newttl = ARGV[2]
        if ARGV[3] == "0" then
            newttl = ARGV[2] + expiration
        end
        redis.call('pexpire', KEYS[1], newttl)
        return 1
    `, extends},
	{`
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        redis.call('pexpire', KEYS[1], ARGV[2])
        return 1
    `, extends},
	// redlock of Node (4.2 and 5): acquire, extend, release; here of one key.
	{`
  for i, key in ipairs(KEYS) do
    if redis.call("exists", key) == 1 then
      return 0
    end
  end
  for i, key in ipairs(KEYS) do
    redis.call("set", key, ARGV[1], "PX", ARGV[2])
  end
  return #KEYS
`, locks},
	{`
  for i, key in ipairs(KEYS) do
    if redis.call("get", key) ~= ARGV[1] then
      return 0
    end
  end
  for i, key in ipairs(KEYS) do
    redis.call("set", key, ARGV[1], "PX", ARGV[2])
  end
  return #KEYS
`, extends},
	{`
  local count = 0
  for i, key in ipairs(KEYS) do
    if redis.call("get", key) == ARGV[1] then
      redis.pcall("del", key)
      count = count + 1
    end
  end
  return count
`, unlocks},
	// redsync of Go (4.13, mutex.go): release, and what extends.
	{`
	local val = redis.call("GET", KEYS[1])
	if val == ARGV[1] then
		return redis.call("DEL", KEYS[1])
	elseif val == false then
		return -1
	else
		return 0
	end
`, unlocks},
	{`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("PEXPIRE", KEYS[1], ARGV[2]) else return 0 end`, extends},
	{`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("PEXPIRE", KEYS[1], ARGV[2]) elseif redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2], "NX") then return 1 else return 0 end`, extends},
}

// scripts remembers which digests stand for what. It is safe for concurrent use.
type scripts struct {
	byText map[string]action // by what bare makes of it; not changed

	mu    sync.RWMutex
	bySHA map[string]action // guarded by mu: in lower-case hex
}

// scriptLimit is how many digests are remembered: white space gives a script
// any number. A client that is told NOSCRIPT for one more sends it again.
const scriptLimit = 256

func newScripts() *scripts {
	s := &scripts{byText: map[string]action{}, bySHA: map[string]action{}}
	for _, k := range known {
		s.byText[string(bare([]byte(k.text)))] = k.does
		s.load([]byte(k.text))
	}
	return s
}

// load remembers a script that is known, and says what it does.
func (s *scripts) load(text []byte) action {
	does := s.byText[string(bare(text))]
	if does == nothing {
		return nothing
	}
	sum := digest(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bySHA) < scriptLimit {
		s.bySHA[sum] = does
	}
	return does
}

// find says what the script of a digest does.
func (s *scripts) find(sha []byte) action {
	if len(sha) != 2*sha1.Size {
		return nothing
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bySHA[string(bytes.ToLower(sha))]
}

func digest(text []byte) string {
	sum := sha1.Sum(text)
	return hex.EncodeToString(sum[:])
}

// bare is a Lua text without comments and the white space that means nothing, and
// with one kind of quotes. White space in strings stays; a comment of several
// lines does too, so that its text is none that is known.
func bare(text []byte) []byte {
	out := make([]byte, 0, len(text))
	quote, gap, comment := byte(0), false, false
	for i, b := range text {
		if quote == 0 && !comment && bytes.HasPrefix(text[i:], []byte("--")) && !bytes.HasPrefix(text[i:], []byte("--[")) {
			comment = true
		}
		switch {
		case comment:
			comment = b != '\n'
			gap = true
			continue
		case quote != 0:
			if b == quote {
				quote, b = 0, '"'
			}
		case space(b):
			gap = true
			continue
		case b == '"' || b == '\'':
			quote, b = b, '"'
		}
		if gap && len(out) > 0 && wordByte(b) && wordByte(out[len(out)-1]) {
			out = append(out, ' ')
		}
		gap = false
		out = append(out, b)
	}
	return out
}

func wordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}
