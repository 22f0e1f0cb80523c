package redis_test

import (
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

const (
	queued  = "+QUEUED\r\n"
	aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n"
)

// transactions are MULTI and what follows.
var transactions = []answer{
	{"multi", lines("MULTI", "SET s.a v", "GET s.a", "GET s.b", "INCR s.c", "EXEC", "GET s.c"), ok + strings.Repeat(queued, 4) + "*4\r\n" + ok + str("v") + null + ":1\r\n" + str("1"), "", ""},
	{"multi, empty", lines("MULTI", "EXEC", "PING"), ok + "*0\r\n+PONG\r\n", "", ""},
	{"discard", lines("MULTI", "SET s.a v", "DISCARD", "GET s.a", "EXEC", "DISCARD"), ok + queued + ok + null + "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n", "", ""},
	{"multi in multi", lines("MULTI", "MULTI", "SET s.a v", "EXEC"), ok + "-ERR MULTI calls can not be nested\r\n" + queued + "*1\r\n" + ok, "", ""},
	{"errors when carried out", lines("MULTI", "SET s.a x", "INCR s.a", "SET s.a v EX 0", "SELECT a", "GET s.a", "EXEC"), ok + strings.Repeat(queued, 5) + "*5\r\n" + ok + number + invalid("set") + number + str("x"), "", ""},
	{"a wrong number of arguments", lines("MULTI", "SET s.a v", "GET", "SET s.b v", "EXEC", "EXISTS s.a s.b", "EXEC"), ok + queued + arity("get") + queued + aborted + ":0\r\n-ERR EXEC without MULTI\r\n", "", ""},
	{"a wrong subcommand", lines("MULTI", "CLIENT BOGUS", "EXEC", "MULTI", "CLIENT ID x", "EXEC", "MULTI", "CLIENT", "EXEC", "MULTI", "SCRIPT BOGUS", "DISCARD", "PING"),
		ok + "-ERR unknown subcommand 'BOGUS'. Try CLIENT HELP.\r\n" + aborted + ok + arity("client|id") + aborted + ok + arity("client") + aborted + ok + "-ERR unknown subcommand 'BOGUS'. Try SCRIPT HELP.\r\n" + ok + "+PONG\r\n", "", ""},
	{"of the wrong form", lines("MULTI", "EXEC x", "EXEC", "MULTI", "DISCARD x", "EXEC", "MULTI", "MULTI x", "EXEC", "EXEC x", "MULTI x", "DISCARD x"),
		ok + "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n-ERR EXEC without MULTI\r\n" + ok + arity("discard") + aborted + ok + arity("multi") + aborted + "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n" + arity("multi", "discard"), "", ""},
	{"hello in multi", lines("MULTI", "HELLO 3", "GET s.a", "HELLO 2", "GET s.a", "EXEC"), ok + strings.Repeat(queued, 4) + "*4\r\n" + hello3 + "_\r\n" + hello2 + null, "", ""},
	{"reset in multi", lines("MULTI", "SET s.a v", "RESET", "EXEC", "GET s.a"), ok + queued + "+RESET\r\n-ERR EXEC without MULTI\r\n" + null, "", ""},
	{"quit in multi", lines("MULTI", "SET s.a v", "QUIT", "EXEC"), ok + queued + ok, "", ""},
	{"a lock in multi", lines("MULTI", "SET l.a t NX PX 30000", "EVALSHA "+sha+" 1 l.a u", "EVALSHA "+sha+" 1 l.a t", "SET l.a t NX PX 30000", "UNWATCH", "EXEC"), ok + strings.Repeat(queued, 5) + "*5\r\n" + ok + ":0\r\n:1\r\n" + ok + ok, "", ""},
	{"data that is large", cmd("MULTI") + cmd("SET", "s.a", mid) + cmd("SET", "s.b", mid) + cmd("EXEC") + cmd("MGET", "s.a", "s.b"), ok + queued + queued + "*2\r\n" + ok + ok + "*2\r\n" + str(mid) + str(mid), "", ""},
	{"what is not served", lines("MULTI", "SET s.a v", "INCRBYFLOAT s.a 1", "EXEC", "GET s.a"), ok + queued + "-ERR INCRBYFLOAT is not supported by crossfade: use INCRBY, or another server for counters\r\n" + aborted + null, "-", "not carried out in part"},
	{"a key of no kind", lines("MULTI", "SET s.a v", "GET other", "EXEC"), ok + queued + queued + "*2\r\n" + ok + nobody, ok + queued + queued + "*2\r\n" + ok + null, "as Redis's own errors of commands are"},
	{"too long", cmd("MULTI") + strings.Repeat(cmd("SET", "s.a", huge[1:]), 5) + cmd("EXEC") + cmd("GET", "s.a"),
		ok + queued + queued + queued + "-ERR transaction is too long for crossfade: send it in parts\r\n" + queued + aborted + null, "-", "memory is bounded"},
	{"an argument too large", cmd("MULTI") + cmd("SET", "s.a", huge) + cmd("EXEC"), ok + "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n" + aborted, ok + queued + "*1\r\n" + ok, "Redis takes 512 MiB, memcached 1"},
}

// TestExecFault fails one command of a transaction: its answer is an error, and
// the others are carried out, as Redis has it.
func TestExecFault(t *testing.T) {
	f := frontendtest.New(t, web)
	f.Fault = func(op string, r kinds.Ref) error {
		if r.ID == "b" {
			return errStore
		}
		return nil
	}
	got := frontendtest.Play(t, redis.New(f, redis.Options{}), lines("MULTI", "SET s.a v", "SET s.b v", "MGET s.a s.b", "APPEND s.a w", "EXEC", "PING"))
	const away = "-ERR store is away\r\n"
	if want := ok + strings.Repeat(queued, 4) + "*4\r\n" + ok + away + away + ":2\r\n+PONG\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
