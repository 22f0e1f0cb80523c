package redis_test

import "strings"

var hello3 = strings.Replace(strings.Replace(hello2, "*14", "%7", 1), ":2\r\n", ":3\r\n", 1)

// version3 is what RESP3 writes otherwise than RESP2.
var version3 = []answer{
	{"hello 3", lines("HELLO 3", "PING", "HELLO", "HELLO 2", "GET s.a", "HELLO 3 SETNAME x", "CLIENT GETNAME", "RESET", "GET s.a"), hello3 + "+PONG\r\n" + hello3 + hello2 + null + hello3 + str("x") + "+RESET\r\n" + null, "", ""},
	{"hello 3, refused", lines("HELLO 3 AUTH a b", "GET s.a", "HELLO 3 BOGUS", "HELLO 4", "GET s.a"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n" + null + "-ERR Syntax error in HELLO option 'BOGUS'\r\n-NOPROTO unsupported protocol version\r\n" + null, "", ""},
	{"nulls", lines("HELLO 3", "GET s.a", "MGET s.a s.b", "SET s.a v XX", "SET s.a v GET", "SET s.a w NX", "GETSET s.b v", "GETDEL s.c", "GETEX s.c EX 5", "CLIENT GETNAME"), hello3 + "_\r\n*2\r\n_\r\n_\r\n_\r\n_\r\n_\r\n_\r\n_\r\n_\r\n_\r\n", "", ""},
	{"values", lines("HELLO 3", "SET s.a v", "GET s.a", "MGET s.a s.b", "EXISTS s.a", "TTL s.b", "TYPE s.a", "APPEND s.a w", "GET", "FOO"), hello3 + ok + str("v") + "*2\r\n" + str("v") + "_\r\n:1\r\n:-2\r\n+string\r\n:2\r\n" + arity("get") + "-ERR unknown command 'FOO': crossfade serves sessions (GET, SET, SETEX, EXPIRE, DEL and the like); send this to another server\r\n", "-", "arguments may be ids and data"},
	{"maps", lines("HELLO 3", "CONFIG GET nothing", "COMMAND DOCS nothing"), hello3 + "%0\r\n%0\r\n", "", ""},
	{"multi in RESP3", lines("HELLO 3", "MULTI", "GET s.a", "SET s.a v", "EXEC", "SCRIPT EXISTS a"), hello3 + ok + queued + queued + "*2\r\n_\r\n" + ok + "*1\r\n:0\r\n", "", ""},
}

// handshakes are what clients say at connect, and their first commands, as they
// were seen on the wire.
var handshakes = []answer{
	{"phpredis", cmd("GET", "s.a") + cmd("SETEX", "s.a", "1440", "n|i:1;") + cmd("EXPIRE", "s.a", "1440") + cmd("UNLINK", "s.a"), null + ok + ":1\r\n:1\r\n", "", ""},
	{"node-redis 5", cmd("CLIENT", "SETINFO", "LIB-VER", "5.12.0") + cmd("CLIENT", "SETINFO", "LIB-NAME", "node-redis") + cmd("SET", "s.a", "{}", "EX", "1440"), ok + ok + ok, "-", "SETINFO is newer than 7.0, and harmless"},
	{"node-redis 5, RESP 3", cmd("HELLO", "3") + cmd("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip") + cmd("GET", "s.a"), hello3 + "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n_\r\n", "", ""},
	{"ioredis 6", cmd("hello", "3") + cmd("client", "SETINFO", "LIB-NAME", "ioredis") + cmd("set", "s.a", "{}", "EX", "1440") + cmd("expire", "s.a", "1440"), hello3 + ok + ok + ":1\r\n", "-", "SETINFO is newer than 7.0, and harmless"},
	{"go-redis", cmd("hello", "3") + cmd("select", "0") + cmd("client", "maint_notifications", "on", "moving-endpoint-type", "internal-ip") + cmd("get", "s.a"), hello3 + ok + "-ERR unknown subcommand 'maint_notifications'. Try CLIENT HELP.\r\n_\r\n", "", ""},
	{"redis-py, a pipeline", cmd("SELECT", "0") + cmd("MULTI") + cmd("GET", "s.a") + cmd("SET", "s.a", "v", "PX", "1440000", "NX") + cmd("EXEC"), ok + ok + queued + queued + "*2\r\n" + null + ok, "", ""},
	{"redis-rack", cmd("setex", "s.a", "1440", "\x04\b{\x00") + cmd("del", "s.a", "s.b"), ok + ":1\r\n", "", ""},
	{"rueidis", cmd("HELLO", "3") + cmd("CLIENT", "TRACKING", "ON", "OPTIN") + cmd("GET", "s.a"), hello3 + "-ERR CLIENT TRACKING is not supported by crossfade: turn client-side caching off\r\n_\r\n", hello3 + ok + "_\r\n", "nobody would tell it what others write"},
}
