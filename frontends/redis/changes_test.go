package redis_test

import "strings"

const (
	year2100 = "4102444800"    // seconds
	milli    = "4102444800000" // the same in milliseconds
	overflow = "-ERR increment or decrement would overflow\r\n"
	terms    = "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"
	gtlt     = "-ERR GT and LT options at the same time are not compatible\r\n"
	none     = ":-1\r\n" // no deadline
	gone     = ":-2\r\n"
	until    = ":" + milli + "\r\n"
)

// str is a bulk.
func str(s string) string { return strings.TrimPrefix(cmd(s), "*1\r\n") }

// conditions are writes that look at what is there.
var conditions = []answer{
	{"set XX", lines("SET s.a v XX", "GET s.a", "SET s.a v", "SET s.a w XX", "GET s.a", "SET s.a x xx PXAT "+milli, "PEXPIRETIME s.a", "SET s.a y XX", "PEXPIRETIME s.a", "SET s.a z XX EXAT 1", "GET s.a"),
		null + null + ok + ok + str("w") + ok + until + ok + none + ok + null, "", ""},
	{"set GET", lines("SET s.a v GET", "SET s.a w GET", "SET s.a x get EXAT "+year2100, "PEXPIRETIME s.a", "SET s.a y GET", "PEXPIRETIME s.a", "GET s.a", "SET s.a z GET PXAT 1", "GET s.a"),
		null + str("v") + str("w") + until + str("x") + none + str("y") + str("y") + null, "", ""},
	{"set NX GET", lines("SET s.a v NX GET", "SET s.a w NX GET", "GET s.a", "SET s.b v XX GET", "GET s.b", "SET s.a w XX GET", "GET s.a"),
		null + str("v") + str("v") + null + null + str("v") + str("w"), "", ""},
	{"set KEEPTTL", lines("SET s.a v KEEPTTL", "PEXPIRETIME s.a", "SET s.a v PXAT "+milli, "SET s.a w KEEPTTL", "PEXPIRETIME s.a", "GET s.a", "SET s.a x XX KEEPTTL GET", "PEXPIRETIME s.a", "SET s.b v NX KEEPTTL", "PEXPIRETIME s.b", "SET s.a y NX KEEPTTL", "GET s.a"),
		ok + none + ok + ok + until + str("w") + str("w") + until + ok + none + null + str("x"), "", ""},
	{"set, combined wrongly", lines("SET s.a v XX NX", "SET s.a v PERSIST", "SET s.a v GET EX", "SET s.a v KEEPTTL PX 5", "SET s.a v XX EX 0 GET", "SET s.a v GET EX a"),
		syntax + syntax + syntax + syntax + invalid("set") + number, "", ""},
	{"getset", lines("GETSET s.a v", "GETSET s.a w", "SET s.a x EXAT "+year2100, "GETSET s.a y", "PEXPIRETIME s.a", "GETSET s.a"), null + str("v") + ok + str("x") + none + arity("getset"), "", ""},
	{"getdel", lines("GETDEL s.a", "SET s.a v", "GETDEL s.a", "GETDEL s.a", "GETDEL s.a x"), null + ok + str("v") + null + arity("getdel"), "", ""},
	{"getex", lines("GETEX s.a EX 100", "SET s.a v", "GETEX s.a", "TTL s.a", "GETEX s.a EX 100", "TTL s.a", "GETEX s.a PX 99900", "TTL s.a", "GETEX s.a exat "+year2100, "PEXPIRETIME s.a", "GETEX s.a PXAT "+milli, "PEXPIRETIME s.a", "GETEX s.a PERSIST", "TTL s.a", "GETEX s.a PXAT 1", "GET s.a"),
		null + ok + str("v") + none + str("v") + ":100\r\n" + str("v") + ":100\r\n" + str("v") + until + str("v") + until + str("v") + none + str("v") + null, "", ""},
	{"getex, refused", lines("GETEX s.a EX 0", "GETEX s.a EX a", "SET s.a v", "GETEX s.a EX 0", "GETEX s.a EX a", "GETEX s.a PX 9223372036854775807", "GETEX s.a NX", "GETEX s.a EX 5 PERSIST", "GETEX s.a PERSIST EX 5", "GETEX s.a EX", "GETEX s.a KEEPTTL", "GETEX", "GETEX s.a GET", "TTL s.a"),
		null + null + ok + invalid("getex") + number + invalid("getex") + strings.Repeat(syntax, 5) + arity("getex") + syntax + none, "", ""},
	{"expire NX and XX", lines("EXPIREAT s.a "+year2100+" NX", "SET s.a v", "EXPIREAT s.a "+year2100+" XX", "EXPIREAT s.a "+year2100+" nx", "PEXPIREAT s.a 4102444800001 NX", "PEXPIRETIME s.a", "PEXPIREAT s.a 4102444800001 xx", "PEXPIRETIME s.a", "EXPIRE s.a 100 XX", "TTL s.a", "PEXPIRE s.a 99900 XX XX", "TTL s.a"),
		":0\r\n" + ok + ":0\r\n:1\r\n:0\r\n" + until + ":1\r\n:4102444800001\r\n:1\r\n:100\r\n:1\r\n:100\r\n", "", ""},
	{"expire GT and LT", lines("SET s.a v", "PEXPIREAT s.a "+milli+" GT", "PEXPIREAT s.a "+milli+" LT", "PEXPIREAT s.a "+milli+" LT", "PEXPIREAT s.a "+milli+" GT", "PEXPIREAT s.a 4102444800001 GT", "PEXPIREAT s.a 4102444800002 LT", "PEXPIREAT s.a "+milli+" XX LT", "PEXPIRETIME s.a", "PEXPIREAT s.a "+milli+" XX GT", "EXPIRE s.a -5 GT", "EXPIRE s.a -5 LT", "GET s.a"),
		ok + ":0\r\n:1\r\n:0\r\n:0\r\n:1\r\n:0\r\n:1\r\n" + until + ":0\r\n:0\r\n:1\r\n" + null, "", ""},
	{"expire, combined wrongly", lines("EXPIRE s.a 10 NX XX", "EXPIRE s.a 10 GT NX", "EXPIRE s.a 10 NX LT", "EXPIRE s.a 10 LT GT", "EXPIRE s.a 10 NX BOGUS", "EXPIRE s.a x NX GT", "EXPIRE s.a x GT"),
		terms + terms + terms + gtlt + "-ERR Unsupported option BOGUS\r\n" + terms + number, "", ""},
	{"persist", lines("PERSIST s.a", "SET s.a v", "PERSIST s.a", "EXPIRE s.a 100", "PERSIST s.a", "TTL s.a", "GET s.a", "PERSIST"), ":0\r\n" + ok + ":0\r\n:1\r\n:1\r\n" + none + str("v") + arity("persist"), "", ""},
	{"expiretime", lines("EXPIRETIME s.a", "PEXPIRETIME s.a", "SET s.a v", "EXPIRETIME s.a", "PEXPIREAT s.a 4102444800499", "EXPIRETIME s.a", "PEXPIREAT s.a 4102444800500", "EXPIRETIME s.a", "PEXPIRETIME s.a", "EXPIRETIME"),
		gone + gone + ok + none + ":1\r\n:4102444800\r\n:1\r\n:4102444801\r\n:4102444800500\r\n" + arity("expiretime"), "", ""},
}

// changes are made of what was there.
var changes = []answer{
	{"append", lines("APPEND s.a ab", "APPEND s.a cd", "GET s.a", "TTL s.a", "SET s.a v PXAT "+milli, "APPEND s.a w", "PEXPIRETIME s.a", "APPEND s.a ''", "GET s.a", "APPEND s.a"),
		":2\r\n:4\r\n" + str("abcd") + none + ok + ":2\r\n" + until + ":2\r\n" + str("vw") + arity("append"), "", ""},
	{"append, too long", cmd("SET", "s.a", huge[2:]) + cmd("APPEND", "s.a", "x") + cmd("APPEND", "s.a", "x") + cmd("STRLEN", "s.a"),
		ok + ":1048576\r\n-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n:1048576\r\n", ok + ":1048576\r\n:1048577\r\n:1048577\r\n", "Redis takes 512 MiB, memcached 1"},
	{"incr and decr", lines("INCR s.a", "INCRBY s.a 41", "DECR s.a", "DECRBY s.a 50", "GET s.a", "DECRBY s.b -5", "INCRBY s.c -5", "DECR s.d", "SET s.a 5 PXAT "+milli, "INCR s.a", "PEXPIRETIME s.a", "GET s.a"),
		":1\r\n:42\r\n:41\r\n:-9\r\n" + str("-9") + ":5\r\n:-5\r\n:-1\r\n" + ok + ":6\r\n" + until + str("6"), "", ""},
	{"incr, refused", lines("SET s.a x", "INCR s.a", "DECRBY s.a 1", "SET s.a ''", "INCR s.a", "SET s.a ' 1'", "INCR s.a", "SET s.a 01", "INCR s.a", "SET s.a 9223372036854775808", "INCR s.a", "INCRBY s.b x", "INCRBY s.b 1.5", "DECRBY s.b 9223372036854775808", "INCR", "INCRBY s.a", "DECR s.a 1", "DECRBY s.a", "EXISTS s.b"),
		ok + number + number + ok + number + ok + number + ok + number + ok + number + number + number + number + arity("incr", "incrby", "decr", "decrby") + ":0\r\n", "", ""},
	{"incr to the edge", lines("SET s.a 9223372036854775806", "INCR s.a", "INCR s.a", "INCRBY s.a 9223372036854775807", "GET s.a", "SET s.a -9223372036854775807", "DECR s.a", "DECR s.a", "INCRBY s.a -9223372036854775808", "DECRBY s.a -9223372036854775808", "GET s.a", "INCRBY s.b -9223372036854775808"),
		ok + ":9223372036854775807\r\n" + overflow + overflow + str("9223372036854775807") + ok + ":-9223372036854775808\r\n" + overflow + overflow + "-ERR decrement would overflow\r\n" + str("-9223372036854775808") + ":-9223372036854775808\r\n", "", ""},
	{"getrange", lines("GETRANGE s.a 0 -1", "SET s.a hello", "GETRANGE s.a 0 -1", "GETRANGE s.a 1 3", "GETRANGE s.a -3 -2", "GETRANGE s.a 0 99", "GETRANGE s.a -99 0", "GETRANGE s.a 3 1", "GETRANGE s.a -1 -3", "GETRANGE s.a 5 9", "GETRANGE s.a -99 -98", "SUBSTR s.a 4 4", "GETRANGE s.a x 1", "GETRANGE s.a 1 x", "GETRANGE s.a 1", "SET s.a ''", "GETRANGE s.a 0 0", "GETRANGE s.a -9223372036854775808 9223372036854775807"),
		str("") + ok + str("hello") + str("ell") + str("ll") + str("hello") + str("h") + str("") + str("") + str("") + str("h") + str("o") + number + number + arity("getrange") + ok + str("") + str(""), "", ""},
	{"type and touch", lines("TYPE s.a", "TOUCH s.a", "SET s.a v", "TYPE s.a", "TOUCH s.a s.a s.b", "TYPE", "TOUCH"), "+none\r\n:0\r\n" + ok + "+string\r\n:2\r\n" + arity("type", "touch"), "", ""},
}
