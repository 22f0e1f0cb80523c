package redis_test

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"
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
	{"redis-py, at once", lines(takeLock, "EVALSHA "+sumOf(pyRelease)+" 1 l.a me"), ok + ":1\r\n", ok + noscript, "known from the first moment"},
	{"script on a session", lines("SET s.a t", "EVALSHA "+sha+" 1 s.a t"), ok + "-ERR key is no lock of crossfade's configuration: add its pattern to a kind's locks\r\n", ok + ":1\r\n", "locks have names of their own"},
	{"scripts, malformed", lines("EVAL x", "EVAL x 1", "EVAL x a k", "EVAL x -1 k", "EVAL x 2 k", "EVALSHA x 1 s.a t", "SCRIPT", "SCRIPT LOAD", "SCRIPT BOGUS", "SCRIPT EXISTS", "SCRIPT EXISTS a b"),
		arity("eval") + "-ERR Number of keys can't be greater than number of args\r\n" + number + "-ERR Number of keys can't be negative\r\n-ERR Number of keys can't be greater than number of args\r\n" + noscript +
			arity("script", "script|load") + "-ERR unknown subcommand 'BOGUS'. Try SCRIPT HELP.\r\n" + arity("script|exists") + "*2\r\n:0\r\n:0\r\n", "", ""},
	{"script load", cmd("SCRIPT", "LOAD", script) + lines("SCRIPT EXISTS "+sha, "SCRIPT EXISTS "+strings.ToUpper(sha)), str(sha) + oneScript + oneScript, "", ""},
	{"another script", cmd("EVAL", "return 1", "1", "l.a") + cmd("SCRIPT", "LOAD", "return 1") + cmd("EVAL", strings.ReplaceAll(script, `"del"`, `" del"`), "1", "l.a", "t"), strings.Repeat(notKnown, 3), "-", "it has no Lua"},
}
