package redis_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

// web is the kind of these tests: sessions s.…, locks l.….
var web = kinds.Kind{Name: "web", Keys: []string{"s.{id: [a-z0-9]+}"}, Locks: []string{"l.{id}"}}

const (
	ok     = "+OK\r\n"
	null   = "$-1\r\n"
	sha    = "b70c2384248f88e6b75b9f89241a180f856ad852"
	script = `if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end`
	nobody = "-ERR key is no session of crossfade's configuration: add its pattern to a kind's keys, or send this key to another server\r\n"
	locked = "-ERR key is a session's lock: crossfade takes SET with NX and a time that lies ahead, SETNX, DEL and the scripts that unlock for it\r\n"
	number = "-ERR value is not an integer or out of range\r\n"
	syntax = "-ERR syntax error\r\n"
	hello2 = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:N\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
)

var (
	mid  = strings.Repeat("y", 10_000)
	huge = strings.Repeat("x", 1<<20+1)
)

// cmd writes one command as clients do.
func cmd(args ...string) string {
	s := "*" + strconv.Itoa(len(args)) + "\r\n"
	for _, a := range args {
		s += "$" + strconv.Itoa(len(a)) + "\r\n" + a + "\r\n"
	}
	return s
}

// lines writes inline commands.
func lines(ls ...string) string { return strings.Join(ls, "\r\n") + "\r\n" }

func arity(names ...string) (s string) {
	for _, n := range names {
		s += "-ERR wrong number of arguments for '" + n + "' command\r\n"
	}
	return s
}

func invalid(names ...string) (s string) {
	for _, n := range names {
		s += "-ERR invalid expire time in '" + n + "' command\r\n"
	}
	return s
}

func broken(what string) string { return "-ERR Protocol error: " + what + "\r\n" }

// answer is what the frontend answers to a packet. Where redis-server 7.0.15
// answers something else, real is that ("-": too long to write down), and why is
// the reason for it.
type answer struct {
	name, in, want string
	real, why      string
}

// answers are all of them.
var answers = slices.Concat(plain, conditions, changes, transactions, scripts, version3, handshakes)

// plain is RESP2, one command after the other.
var plain = []answer{
	{"ping", cmd("PING") + cmd("ping", "x") + lines("PING", "PiNg x", "PING a b"), "+PONG\r\n$1\r\nx\r\n+PONG\r\n$1\r\nx\r\n" + arity("ping"), "", ""},
	{"echo", cmd("ECHO", "a\r\nb") + lines("ECHO"), "$4\r\na\r\nb\r\n" + arity("echo"), "", ""},
	{"set and get", cmd("SET", "s.a", "abc") + cmd("GET", "s.a") + cmd("GET", "s.b"), ok + "$3\r\nabc\r\n" + null, "", ""},
	{"empty data", cmd("SET", "s.a", "") + cmd("GET", "s.a") + cmd("STRLEN", "s.a"), ok + "$0\r\n\r\n:0\r\n", "", ""},
	{"more than a buffer", cmd("SET", "s.a", mid) + cmd("GET", "s.a") + cmd("STRLEN", "s.a"), ok + "$10000\r\n" + mid + "\r\n:10000\r\n", "", ""},
	{"get, arity", lines("GET", "get s.a s.b", "STRLEN", "MGET", "SET s.a", "SETNX s.a"), arity("get", "get", "strlen", "mget", "set", "setnx"), "", ""},
	{"setex", cmd("SETEX", "s.a", "1440", "abc") + lines("TTL s.a", "PSETEX s.a 99999 x", "TTL s.a"), ok + ":1440\r\n" + ok + ":100\r\n", "", ""},
	{"setex, refused", lines("SETEX s.a 0 v", "SETEX s.a -1 v", "SETEX s.a a v", "PSETEX s.a 0 v", "SETEX s.a 9223372036854775807 v", "SETEX s.a 10"),
		invalid("setex", "setex") + number + invalid("psetex", "setex") + arity("setex"), "", ""},
	{"set with a time", lines("SET s.a v EX 100", "TTL s.a", "SET s.a v px 99999", "TTL s.a", "SET s.a v", "TTL s.a", "SET s.a v EXAT 1", "GET s.a", "SET s.a v PXAT 1", "GET s.a", "SET s.a v exat 4102444800", "GET s.a"),
		ok + ":100\r\n" + ok + ":100\r\n" + ok + ":-1\r\n" + ok + null + ok + null + ok + "$1\r\nv\r\n", "", ""},
	{"set, no time", lines("SET s.a v EX 0", "SET s.a v EX -1", "SET s.a v PX 0", "SET s.a v EXAT 0", "SET s.a v PXAT -5", "SET s.a v EX 9223372036854775807", "SET s.a v EX 9223372036854775", "SET s.a v PX 9223372036854775807"),
		invalid("set", "set", "set", "set", "set", "set", "set", "set"), "", ""},
	{"set, no number", lines("SET s.a v EX a", "SET s.a v EX 1.5", "SET s.a v EX +1", "SET s.a v EX 01", "SET s.a v EX 9223372036854775808", "SET s.a v EX ''", "SET s.a v EX -0"), strings.Repeat(number, 7), "", ""},
	{"set, syntax", lines("SET s.a v EX", "SET s.a v EX 1 PX 1", "SET s.a v NX XX", "SET s.a v BOGUS", "SET s.a v KEEPTTL EX 1", "SET s.a v EX 1 KEEPTTL", "SET s.a v NX NX EX"), strings.Repeat(syntax, 7), "", ""},
	{"set, twice the same option", lines("SET s.a v NX NX EX 5 EX 100", "TTL s.a"), ok + ":100\r\n", "", ""},
	{"set NX", lines("SET s.a v NX EX 100", "SET s.a w nx", "GET s.a", "SETNX s.a x", "SETNX s.b x", "TTL s.b", "SET s.c v NX PXAT 1", "GET s.c"),
		ok + null + "$1\r\nv\r\n:0\r\n:1\r\n:-1\r\n" + ok + null, "", ""},
	{"mget", lines("SET s.a v", "MGET s.a s.b s.a"), ok + "*3\r\n$1\r\nv\r\n$-1\r\n$1\r\nv\r\n", "", ""},
	{"del and exists", lines("SET s.a v", "SET s.b v", "EXISTS s.a s.a s.c", "DEL s.a s.a s.c", "UNLINK s.b s.c", "EXISTS s.a s.b", "DEL", "UNLINK", "EXISTS"), ok + ok + ":2\r\n:1\r\n:1\r\n:0\r\n" + arity("del", "unlink", "exists"), "", ""},
	{"expire", lines("SET s.a v", "EXPIRE s.a 100", "TTL s.a", "PEXPIRE s.a 99900", "TTL s.a", "EXPIRE s.b 100", "EXPIREAT s.a 4102444800", "PEXPIREAT s.a 4102444800000", "GET s.a"),
		ok + ":1\r\n:100\r\n:1\r\n:100\r\n:0\r\n:1\r\n:1\r\n$1\r\nv\r\n", "", ""},
	{"expire into the past", lines("SET s.a v", "EXPIRE s.a -1", "GET s.a", "EXPIRE s.a -1", "SET s.a v", "PEXPIRE s.a 0", "GET s.a", "SET s.a v", "EXPIREAT s.a 1", "GET s.a", "PEXPIREAT s.b 0"),
		ok + ":1\r\n" + null + ":0\r\n" + ok + ":1\r\n" + null + ok + ":1\r\n" + null + ":0\r\n", "", ""},
	{"expire, refused", lines("EXPIRE s.a", "EXPIRE s.a a", "EXPIRE s.a 9223372036854775807", "PEXPIRE s.a 9223372036854775807", "EXPIRE s.a -9223372036854775808", "EXPIRE s.a 10 BOGUS", "EXPIREAT s.a a", "PEXPIREAT"),
		arity("expire") + number + invalid("expire", "pexpire", "expire") + "-ERR Unsupported option BOGUS\r\n" + number + arity("pexpireat"), "", ""},
	{"ttl", lines("TTL s.a", "PTTL s.a", "SET s.a v", "TTL s.a", "PTTL s.a", "TTL", "TTL a b"), ":-2\r\n:-2\r\n" + ok + ":-1\r\n:-1\r\n" + arity("ttl", "ttl"), "", ""},
	{"select", lines("SELECT 0", "SELECT", "SELECT a"), ok + arity("select") + number, "", ""},
	{"select another", lines("SELECT 99", "SELECT 1", "PING"), strings.Repeat("-ERR DB index is out of range: crossfade serves database 0 and that of old.redis or new.redis in its configuration; name it there, or take it out of the client's\r\n", 2) + "+PONG\r\n", "-ERR DB index is out of range\r\n" + ok + "+PONG\r\n", "which kind would that be?"},
	{"auth, none wanted", lines("AUTH", "AUTH x", "AUTH default x", "AUTH foo x", "AUTH a b c"), arity("auth") + "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n" + ok + "-WRONGPASS invalid username-password pair or user is disabled.\r\n" + syntax, "", ""},
	{"hello", lines("HELLO", "HELLO 2", "HELLO 2 AUTH default b", "HELLO 2 SETNAME x", "CLIENT GETNAME"), hello2 + hello2 + hello2 + hello2 + "$1\r\nx\r\n", "", ""},
	{"hello, refused", lines("HELLO 4", "HELLO 1", "HELLO a", "HELLO 2 BOGUS", "HELLO 2 AUTH a", "HELLO 2 AUTH a b", "HELLO 2 SETNAME 'a b'"),
		"-NOPROTO unsupported protocol version\r\n-NOPROTO unsupported protocol version\r\n-ERR Protocol version is not an integer or out of range\r\n-ERR Syntax error in HELLO option 'BOGUS'\r\n-ERR Syntax error in HELLO option 'AUTH'\r\n-WRONGPASS invalid username-password pair or user is disabled.\r\n-ERR Client names cannot contain spaces, newlines or special characters.\r\n", "", ""},
	{"client", lines("CLIENT", "CLIENT GETNAME", "CLIENT SETNAME x", "CLIENT GETNAME", "CLIENT SETNAME 'a b'", "CLIENT ID x", "CLIENT BOGUS", "CLIENT SETNAME ''", "CLIENT GETNAME"),
		arity("client") + null + ok + "$1\r\nx\r\n-ERR Client names cannot contain spaces, newlines or special characters.\r\n" + arity("client|id") + "-ERR unknown subcommand 'BOGUS'. Try CLIENT HELP.\r\n" + ok + null, "", ""},
	{"client setinfo", lines("CLIENT SETINFO LIB-NAME x", "client setinfo lib-ver 1"), ok + ok, strings.Repeat("-ERR unknown subcommand 'SETINFO'. Try CLIENT HELP.\r\n", 1) + "-ERR unknown subcommand 'setinfo'. Try CLIENT HELP.\r\n", "newer than 7.0, and harmless"},
	{"quit", lines("QUIT x", "PING"), ok, "", ""},
	{"reset", lines("CLIENT SETNAME x", "RESET", "CLIENT GETNAME", "RESET x"), ok + "+RESET\r\n" + null + arity("reset"), "", ""},
	{"command", lines("COMMAND", "COMMAND DOCS get", "COMMAND COUNT"), "*0\r\n*0\r\n:49\r\n", "-", "redis-cli's help is not ours to give"},
	{"config", lines("CONFIG", "CONFIG GET", "CONFIG GET save"), arity("config", "config|get") + "*0\r\n", arity("config", "config|get") + "*2\r\n$4\r\nsave\r\n$0\r\n\r\n", "there is nothing to show"},
	{"lock", lines("SET l.a h|1 NX PX 30000", "SET l.a h|2 NX PX 30000", "EVALSHA "+sha+" 1 l.a h|2", "EVALSHA "+sha+" 1 l.a h|1", "EVALSHA "+strings.ToUpper(sha)+" 1 l.a h|1", "SET l.a h|3 NX EX 30", "DEL l.a", "DEL l.a", "SETNX l.a x", "SETNX l.a x"),
		ok + null + ":0\r\n:1\r\n:0\r\n" + ok + ":1\r\n:0\r\n:1\r\n:0\r\n", "", ""},
	{"lock and session are two", lines("SET l.a t NX PX 30000", "SET s.a v", "GET l.a", "MGET l.a s.a", "EXISTS l.a s.a", "TTL l.a", "STRLEN l.a", "TYPE l.a", "GETEX l.a", "PEXPIRETIME l.a", "GETRANGE l.a 0 5", "TOUCH l.a"), ok + ok + null + "*2\r\n$-1\r\n$1\r\nv\r\n:1\r\n:-2\r\n:0\r\n+none\r\n" + null + ":-2\r\n$0\r\n\r\n:0\r\n",
		"-", "what a lock holds is not the client's"},
	{"lock, set or touched", lines("SET l.a t", "SET l.a t EX 5", "SETEX l.a 5 t", "EXPIRE l.a 5", "SET l.b t NX PXAT 1", "SET l.a t XX PX 5", "SET l.a t NX GET PX 5", "SET l.a t NX KEEPTTL", "EXPIRE l.a 5 NX", "PERSIST l.a", "GETSET l.a t", "GETDEL l.a", "GETEX l.a EX 5", "APPEND l.a t", "INCR l.a", "DECRBY l.a 2"), strings.Repeat(locked, 16), "-", "locks are not data"},
	{"key of no kind", lines("GET other", "MGET s.a other", "SET other v", "SET s.a v", "DEL s.a other", "GET s.a", "EXPIRE other 1", "TTL other", "EXISTS other"), nobody + nobody + nobody + ok + nobody + "$1\r\nv\r\n" + nobody + nobody + nobody,
		null + "*2\r\n$-1\r\n$-1\r\n" + ok + ok + ":2\r\n" + null + ":0\r\n:-2\r\n:0\r\n", "which store would it be in?"},
	{"malformed key", cmd("GET", "a b") + cmd("GET", "") + cmd("GET", strings.Repeat("k", 251)), strings.Repeat("-ERR key cannot be a session's: crossfade takes 1 to 250 bytes without spaces or control characters\r\n", 3), null + null + null, "memcached takes none"},
	{"refused", lines("SCAN 0", "WATCH s.a", "UNWATCH", "INCRBYFLOAT s.a 1", "SETRANGE s.a 0 x", "PUBLISH a b", "FLUSHDB", "CLIENT TRACKING ON", "CLIENT TRACKING OFF"),
		"-ERR SCAN is not supported by crossfade: ask the stores themselves, or list sessions with crossfade\r\n" +
			"-ERR WATCH is not supported by crossfade: it watches no key, so that EXEC could not keep what WATCH promises; use SET with NX for a lock\r\n" + ok +
			"-ERR INCRBYFLOAT is not supported by crossfade: use INCRBY, or another server for counters\r\n" +
			"-ERR SETRANGE is not supported by crossfade: GET the session, change it, and SET it whole\r\n" +
			"-ERR PUBLISH is not supported by crossfade: use another server for messages\r\n" +
			"-ERR FLUSHDB is not supported by crossfade: it would log everybody out; delete the sessions that shall end\r\n" +
			"-ERR CLIENT TRACKING is not supported by crossfade: turn client-side caching off\r\n" + ok, "-", "the layer lists and watches nothing"},
	{"unknown command", lines("foo", "foo secret", "fo;o"), "-ERR unknown command 'foo': crossfade serves sessions (GET, SET, SETEX, EXPIRE, DEL and the like); send this to another server\r\n-ERR unknown command 'foo': crossfade serves sessions (GET, SET, SETEX, EXPIRE, DEL and the like); send this to another server\r\n-ERR unknown command '?': crossfade serves sessions (GET, SET, SETEX, EXPIRE, DEL and the like); send this to another server\r\n",
		"-ERR unknown command 'foo', with args beginning with: \r\n-ERR unknown command 'foo', with args beginning with: 'secret' \r\n-ERR unknown command 'fo;o', with args beginning with: \r\n", "arguments may be ids and data"},
	{"empty requests", "*0\r\n*-5\r\n\r\n \r\n\n" + cmd("PING"), "+PONG\r\n", "", ""},
	{"inline quotes", lines(`ECHO "\x41\n\"\q"`, `ECHO 'a\'b\n'`, `ECHO ab"cd"`, "ECHO\t x ", `ECHO ""`), "$4\r\nA\n\"q\r\n$5\r\na'b\\n\r\n$4\r\nabcd\r\n$1\r\nx\r\n$0\r\n\r\n", "", ""},
	{"inline, unbalanced", lines("PING", `ECHO "a`, "PING"), "+PONG\r\n" + broken("unbalanced quotes in request"), "", ""},
	{"inline, unbalanced after", lines(`ECHO "a"b`), broken("unbalanced quotes in request"), "", ""},
	{"inline, bare LF", "PING\nECHO x\n", "+PONG\r\n$1\r\nx\r\n", "", ""},
	{"inline, too long", strings.Repeat("a", 70_000), broken("too big inline request"), "", ""},
	{"count, no number", "*a\r\n", broken("invalid multibulk length"), "", ""},
	{"count, leading zero", "*01\r\n", broken("invalid multibulk length"), "", ""},
	{"count, over all", "*2147483648\r\n", broken("invalid multibulk length"), "", ""},
	{"count, over ours", "*1048577\r\n", broken("invalid multibulk length"), "", "Redis waits for all of them"},
	{"count, too long", "*" + strings.Repeat("1", 70_000), broken("too big mbulk count string"), "", ""},
	{"bulk, too long", "*1\r\n$" + strings.Repeat("1", 70_000), broken("too big bulk count string"), "", ""},
	{"bulk expected", "*1\r\nPING\r\n", broken("expected '$', got 'P'"), "", ""},
	{"bulk expected, nothing there", "*1\r\n\r\n", broken("expected '$', got ' '"), "", ""},
	{"bulk, negative", "*1\r\n$-1\r\n", broken("invalid bulk length"), "", ""},
	{"an array in an array", "*2\r\n$4\r\nPING\r\n*1\r\n$1\r\nx\r\n", broken("expected '$', got '*'"), "", ""},
	{"negative lengths", "*-1\r\n*-2147483649\r\n" + cmd("PING") + "*2\r\n$4\r\nECHO\r\n$-2\r\n", "+PONG\r\n" + broken("invalid bulk length"), "", ""},
	{"bulk, no number", "*1\r\n$x\r\n", broken("invalid bulk length"), "", ""},
	{"bulk, over all", "*1\r\n$536870913\r\n", broken("invalid bulk length"), "", ""},
	{"bulk without CRLF", "*1\r\n$4\r\nPINGxx" + cmd("PING"), broken("expected CRLF after a bulk"), "+PONG\r\n+PONG\r\n", "Redis does not look"},
	{"bare LF in a request", "*1\n", broken("invalid multibulk length"), "", "Redis waits for a CR"},
	{"too large", cmd("SET", "s.a", "v") + cmd("SET", "s.a", huge) + cmd("GET", "s.a"), ok + "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n$1\r\nv\r\n", "-", "Redis takes 512 MiB, memcached 1"},
	{"too many arguments", "*1025\r\n" + strings.Repeat("$4\r\nPING\r\n", 1025) + cmd("PING"), "-ERR too many arguments for crossfade: send fewer keys in one command\r\n+PONG\r\n", arity("ping") + "+PONG\r\n", "memory is bounded"},
	{"from a browser", "POST / HTTP/1.1\r\nHost: x\r\n\r\nGET s.a\r\n", "", "", ""},
	{"cut off", cmd("PING") + "*2\r\n$3\r\nGET\r\n$3\r\ns.", "+PONG\r\n", "", ""},
}

var connID = regexp.MustCompile(`id\r\n:\d+`)

func sameID(s string) string { return connID.ReplaceAllString(s, "id\r\n:N") }

func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			srv := func() *frontends.Server {
				f := frontendtest.New(t, web)
				f.Now = noon
				return redis.New(f, redis.Options{Server: frontends.Options{Now: noon}})
			}
			if got := sameID(frontendtest.Play(t, srv(), tt.in)); got != tt.want {
				t.Fatalf("got  %.600q\nwant %.600q", got, tt.want)
			}
			step := 1 // every split, of what is short
			switch n := len(tt.in); {
			case n > 200_000:
				step = n / 8
			case n > 1000:
				step = n / 100
			}
			if len(tt.in) < 200_000 {
				if got := sameID(frontendtest.Play(t, srv(), frontendtest.Bytewise(tt.in)...)); got != tt.want {
					t.Errorf("bytewise: got  %.600q\nwant %.600q", got, tt.want)
				}
			}
			for i := 1; i < len(tt.in); i += step {
				if got := sameID(frontendtest.Play(t, srv(), tt.in[:i], tt.in[i:])); got != tt.want {
					t.Fatalf("split at %d: got  %.600q\nwant %.600q", i, got, tt.want)
				}
			}
		})
	}
}

// TestReal sends the same packets to redis-server: equal answers, or the
// difference that the table declares ("-": too long to write down).
func TestReal(t *testing.T) {
	s, err := localserver.Redis(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			if got := frontendtest.Ask(t, s.Addr(), "FLUSHALL\r\nSCRIPT FLUSH\r\n"+cmd("SCRIPT", "LOAD", script)); !strings.HasPrefix(got, ok+ok) {
				t.Fatalf("FLUSHALL: %q", got)
			}
			want := tt.real
			if tt.why == "" {
				want = tt.want
			} else if tt.real == tt.want {
				t.Error("declared as different, and is not")
			}
			got := sameID(frontendtest.Ask(t, s.Addr(), tt.in))
			if tt.real == "-" {
				if got == tt.want {
					t.Error("declared as different, and is not")
				}
			} else if got != want {
				t.Errorf("redis-server: got %.600q\nwant %.600q", got, want)
			}
		})
	}
}
