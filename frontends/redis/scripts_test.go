package redis_test

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

// Of redis-py 4.3.4, lock.py, byte for byte.
const (
	pyRelease = `
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        redis.call('del', KEYS[1])
        return 1
    `
	pyExtend = `
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
    `
	pyReacquire = `
        local token = redis.call('get', KEYS[1])
        if not token or token ~= ARGV[1] then
            return 0
        end
        redis.call('pexpire', KEYS[1], ARGV[2])
        return 1
    `
	// laravel is phpredis's, on lines (Illuminate\Cache\LuaScripts).
	laravel = "if redis.call(\"get\",KEYS[1]) == ARGV[1] then\n    return redis.call(\"del\",KEYS[1])\nelse\n    return 0\nend"

	// redlock of Node, 5.0.0-beta.2, byte for byte (4.2 has the same, with tabs).
	lockAcquire = `
  -- Return 0 if an entry already exists.
  for i, key in ipairs(KEYS) do
    if redis.call("exists", key) == 1 then
      return 0
    end
  end

  -- Create an entry for each provided key.
  for i, key in ipairs(KEYS) do
    redis.call("set", key, ARGV[1], "PX", ARGV[2])
  end

  -- Return the number of entries added.
  return #KEYS
`
	lockRelease = `
  local count = 0
  for i, key in ipairs(KEYS) do
    -- Only remove entries for *this* lock value.
    if redis.call("get", key) == ARGV[1] then
      redis.pcall("del", key)
      count = count + 1
    end
  end

  -- Return the number of entries removed.
  return count
`
	lockExtend = `
  -- Return 0 if an entry exists with a *different* lock value.
  for i, key in ipairs(KEYS) do
    if redis.call("get", key) ~= ARGV[1] then
      return 0
    end
  end

  -- Update the entry for each provided key.
  for i, key in ipairs(KEYS) do
    redis.call("set", key, ARGV[1], "PX", ARGV[2])
  end

  -- Return the number of entries updated.
  return #KEYS
`
	// Of redsync 4.13, mutex.go.
	syncRelease = `
	local val = redis.call("GET", KEYS[1])
	if val == ARGV[1] then
		return redis.call("DEL", KEYS[1])
	elseif val == false then
		return -1
	else
		return 0
	end
`
	syncTouch = `
	if redis.call("GET", KEYS[1]) == ARGV[1] then
		return redis.call("PEXPIRE", KEYS[1], ARGV[2])
	else
		return 0
	end
`

	notKnown  = "-ERR this script is not known to crossfade: it runs those that unlock alone; use SET with NX and PX for locks, and DEL\r\n"
	noscript  = "-NOSCRIPT No matching script. Please use EVAL.\r\n"
	noExtend  = "-ERR a lock lives as long as it was granted for, and crossfade extends none: ask for it with the time that it takes\r\n"
	takeLock  = "SET l.a me NX PX 30000"
	oneScript = "*1\r\n:1\r\n"
)

func sumOf(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

var scripts = []answer{
	{"unlock by EVAL", lines(takeLock) + cmd("EVAL", script, "1", "l.a", "you") + cmd("EVAL", script, "1", "l.a", "me") + lines(takeLock), ok + ":0\r\n:1\r\n" + ok, "", ""},
	{"unlock on lines", lines(takeLock) + cmd("EVAL", laravel, "1", "l.a", "you") + cmd("EVALSHA", sumOf(laravel), "1", "l.a", "me") + lines(takeLock), ok + ":0\r\n:1\r\n" + ok, "", ""},
	{"redis-py, release", lines(takeLock) + cmd("SCRIPT", "LOAD", pyRelease) + lines("SCRIPT EXISTS "+sumOf(pyRelease), "EVALSHA "+sumOf(pyRelease)+" 1 l.a you", "EVALSHA "+sumOf(pyRelease)+" 1 l.a me", takeLock),
		ok + str(sumOf(pyRelease)) + oneScript + ":0\r\n:1\r\n" + ok, "", ""},
	{"redis-py, loads all", cmd("SCRIPT", "LOAD", pyExtend) + cmd("SCRIPT", "LOAD", pyReacquire) + lines("SCRIPT EXISTS "+sumOf(pyExtend)+" "+sumOf(pyReacquire)+" x"), str(sumOf(pyExtend)) + str(sumOf(pyReacquire)) + "*3\r\n:1\r\n:1\r\n:0\r\n", "", ""},
	{"redis-py, extend and reacquire", lines(takeLock) + cmd("EVAL", pyExtend, "1", "l.a", "me", "5000", "0") + cmd("EVAL", pyReacquire, "1", "l.a", "me", "5000"), ok + noExtend + noExtend, ok + ":1\r\n:1\r\n", "the decider granted it for a time"},
	{"redlock", cmd("EVAL", lockAcquire, "1", "l.a", "me", "30000") + cmd("EVALSHA", sumOf(lockAcquire), "1", "l.a", "you", "30000") + cmd("EVAL", lockRelease, "1", "l.a", "you") + cmd("EVALSHA", sumOf(lockRelease), "1", "l.a", "me") + cmd("EVALSHA", sumOf(lockAcquire), "1", "l.a", "you", "30000"),
		":1\r\n:0\r\n:0\r\n:1\r\n:1\r\n", "", ""},
	{"redlock, extend", cmd("EVAL", lockAcquire, "1", "l.a", "me", "30000") + cmd("EVAL", lockExtend, "1", "l.a", "me", "5000"), ":1\r\n" + noExtend, ":1\r\n:1\r\n", "the decider granted it for a time"},
	{"redlock, malformed", cmd("EVAL", lockAcquire, "1", "l.a", "me", "0") + cmd("EVAL", lockAcquire, "1", "l.a", "me") + cmd("EVAL", lockAcquire, "2", "l.a", "l.b", "me", "5") + cmd("EVAL", lockAcquire, "1", "s.a", "me", "5000"),
		"-ERR invalid expire time in 'set' command\r\n-ERR this script takes one key, the token and the milliseconds\r\n-ERR this script takes one key and the token\r\n-ERR key is no lock of crossfade's configuration: add its pattern to a kind's locks\r\n", "-", "locks lie apart, each with a decider of its own"},
	{"redsync", lines(takeLock) + cmd("EVAL", syncRelease, "1", "l.a", "you") + cmd("EVALSHA", sumOf(syncRelease), "1", "l.a", "me") + cmd("EVAL", syncRelease, "1", "l.a", "me"), ok + ":0\r\n:1\r\n:0\r\n", ok + ":0\r\n:1\r\n:-1\r\n", "whose a lock was that is not there nobody knows"},
	{"redsync, extend", lines(takeLock) + cmd("EVAL", syncTouch, "1", "l.a", "me", "5000"), ok + noExtend, ok + ":1\r\n", "the decider granted it for a time"},
	{"a script in a comment", cmd("EVAL", "--[[ \n"+script+"--]] return 1", "1", "l.a", "me"), notKnown, "-", "it has no Lua"},
	{"redis-py, at once", lines(takeLock, "EVALSHA "+sumOf(pyRelease)+" 1 l.a me"), ok + ":1\r\n", ok + noscript, "known from the first moment"},
	{"script on a session", lines("SET s.a t", "EVALSHA "+sha+" 1 s.a t"), ok + "-ERR key is no lock of crossfade's configuration: add its pattern to a kind's locks\r\n", ok + ":1\r\n", "locks have names of their own"},
	{"scripts, malformed", lines("EVAL x", "EVAL x 1", "EVAL x a k", "EVAL x -1 k", "EVAL x 2 k", "EVALSHA x 1 s.a t", "SCRIPT", "SCRIPT LOAD", "SCRIPT BOGUS", "SCRIPT EXISTS", "SCRIPT EXISTS a b"),
		arity("eval") + "-ERR Number of keys can't be greater than number of args\r\n" + number + "-ERR Number of keys can't be negative\r\n-ERR Number of keys can't be greater than number of args\r\n" + noscript +
			arity("script", "script|load") + "-ERR unknown subcommand 'BOGUS'. Try SCRIPT HELP.\r\n" + arity("script|exists") + "*2\r\n:0\r\n:0\r\n", "", ""},
	{"script load", cmd("SCRIPT", "LOAD", script) + lines("SCRIPT EXISTS "+sha, "SCRIPT EXISTS "+strings.ToUpper(sha)), str(sha) + oneScript + oneScript, "", ""},
	{"another script", cmd("EVAL", "return 1", "1", "l.a") + cmd("SCRIPT", "LOAD", "return 1") + cmd("EVAL", strings.ReplaceAll(script, `"del"`, `" del"`), "1", "l.a", "t") + cmd("EVAL", strings.ReplaceAll(script, "else return", "elsereturn"), "1", "l.a", "t"), strings.Repeat(notKnown, 4), "-", "it has no Lua"},
}

// TestScriptsAreBounded loads a script in a thousand layouts: so many digests
// are not kept, and a client that is told so sends the script.
func TestScriptsAreBounded(t *testing.T) {
	var in, want strings.Builder
	layout := func(i int) string { return script + strings.Repeat(" ", i) }
	for i := range 1000 {
		in.WriteString(cmd("SCRIPT", "LOAD", layout(i)))
		want.WriteString(str(sumOf(layout(i))))
	}
	in.WriteString(lines(takeLock, "EVALSHA "+sumOf(layout(999))+" 1 l.a me") + cmd("EVAL", layout(999), "1", "l.a", "me") + lines(takeLock, "EVALSHA "+sumOf(layout(0))+" 1 l.a me"))
	want.WriteString(ok + noscript + ":1\r\n" + ok + ":1\r\n")
	if got := frontendtest.Play(t, redis.New(frontendtest.New(t, web), redis.Options{}), in.String()); got != want.String() {
		t.Errorf("got …%.200q, want …%.200q", got[max(0, len(got)-200):], want.String()[want.Len()-150:])
	}
}
