package memcached_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

// web is the kind of these tests: sessions s.…, locks l.….
var web = kinds.Kind{Name: "web", Keys: []string{"s.{id: [a-z0-9]+}"}, Locks: []string{"l.{id}"}}

const (
	bad    = "CLIENT_ERROR bad command line format\r\n"
	badExp = "CLIENT_ERROR invalid exptime argument\r\n"
	badDel = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
	v      = "VERSION 1.6.18\r\n"
	chunk  = "CLIENT_ERROR bad data chunk\r\n"
	put    = "set s.a 5 0 3\r\nabc\r\n"
	hit    = "VALUE s.a 5 3\r\nabc\r\nEND\r\n"
	large  = "SERVER_ERROR object too large for cache\r\n"
	nobody = "CLIENT_ERROR key is no session of crossfade's configuration: add its pattern to a kind's keys, or send this key to another server\r\n"
	locked = "CLIENT_ERROR key is a session's lock: crossfade takes add for it, with an expiry that lies ahead, and delete or a set of 0\r\n"
	delta  = "CLIENT_ERROR invalid numeric delta argument\r\n"
	nan    = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
	inval  = "CLIENT_ERROR invalid flag\r\n"
	twice  = "CLIENT_ERROR duplicate flag\r\n"
	dup    = "CLIENT_ERROR invalid or duplicate flag\r\n"
	token  = "CLIENT_ERROR bad token in command line format\r\n"
	key64  = "CLIENT_ERROR error decoding key\r\n"
	msMode = "CLIENT_ERROR invalid mode for ms M token\r\n"
	maMode = "CLIENT_ERROR invalid mode for ma M token\r\n"
)

var (
	long = "s." + strings.Repeat("k", 249) // 251 bytes
	big  = strings.Repeat("x", 1<<20+1)
	mid  = strings.Repeat("y", 10_000)
)

// answers is what the frontend answers to a packet. Where memcached 1.6.18
// answers something else, real is that, and why is the reason for it.
var answers = []struct {
	name, in, want string
	real, why      string
}{
	{"set and get", put + "get s.a\r\n", "STORED\r\n" + hit, "", ""},
	{"bare LF", "set s.a 5 0 3\nabc\r\nget s.a\n", "STORED\r\n" + hit, "", ""},
	{"trailing spaces", "set s.a 5 0 3 \r\nabc\r\nget s.a \r\ndelete s.a \r\n", "STORED\r\n" + hit + "DELETED\r\n", "", ""},
	{"leading and double spaces", put + "  get   s.a\r\n", "STORED\r\n" + hit, "", ""},
	{"several keys", put + "get s.a s.b s.a\r\n", "STORED\r\nVALUE s.a 5 3\r\nabc\r\n" + hit, "", ""},
	{"miss", "get s.a\r\ngets s.a\r\n", "END\r\nEND\r\n", "", ""},
	{"empty data", "set s.a 0 0 0\r\n\r\nget s.a\r\n", "STORED\r\nVALUE s.a 0 0\r\n\r\nEND\r\n", "", ""},
	{"CR LF in data", "set s.a 0 0 6\r\na\r\nEND\r\nget s.a\r\n", "STORED\r\nVALUE s.a 0 6\r\na\r\nEND\r\nEND\r\n", "", ""},
	{"more than a buffer", "set s.a 0 0 10000\r\n" + mid + "\r\nget s.a\r\n", "STORED\r\nVALUE s.a 0 10000\r\n" + mid + "\r\nEND\r\n", "", ""},
	{"flags of 32 bits", "set s.a 4294967295 0 1\r\nx\r\nget s.a\r\n", "STORED\r\nVALUE s.a 4294967295 1\r\nx\r\nEND\r\n", "", ""},
	{"signs and zeros in numbers", "set s.a +01 +02 +01\r\nx\r\nget s.a\r\n", "STORED\r\nVALUE s.a 1 1\r\nx\r\nEND\r\n", "", ""},
	{"add", "add s.a 5 0 3\r\nabc\r\nadd s.a 1 0 1\r\nz\r\nget s.a\r\n", "STORED\r\nNOT_STORED\r\n" + hit, "", ""},
	{"touch", put + "touch s.a 100\r\ntouch s.b 100\r\ntouch s.a 0\r\nget s.a\r\n", "STORED\r\nTOUCHED\r\nNOT_FOUND\r\nTOUCHED\r\n" + hit, "", ""},
	{"touch into the past", put + "touch s.a -1\r\nget s.a\r\n", "STORED\r\nTOUCHED\r\nEND\r\n", "", ""},
	{"touch to 1970", put + "touch s.a 2592001\r\nget s.a\r\n", "STORED\r\nTOUCHED\r\nEND\r\n", "", ""},
	{"gat", put + "gat 100 s.a s.b s.a\r\n", "STORED\r\nVALUE s.a 5 3\r\nabc\r\n" + hit, "", ""},
	{"gat into the past", put + "gat -1 s.a\r\nget s.a\r\n", "STORED\r\n" + hit + "END\r\n", "", ""},
	{"gat without keys", "gat 10\r\n", "END\r\n", "", ""},
	{"gat without time", "gat\r\ngats\r\n", "ERROR\r\nERROR\r\n", "", ""},
	{"gat, no number", "gat x s.a\r\n", badExp, "", ""},
	{"delete", put + "delete s.a\r\ndelete s.a\r\nget s.a\r\n", "STORED\r\nDELETED\r\nNOT_FOUND\r\nEND\r\n", "", ""},
	{"delete with 0", put + "delete s.a 0\r\ndelete s.a 0 noreply\r\ndelete s.a noreply\r\nversion\r\n", "STORED\r\nDELETED\r\n" + v, "", ""},
	{"delete, malformed", "delete\r\ndelete s.a 1\r\ndelete s.a 0 0\r\ndelete s.a noreply 0\r\ndelete s.a 0 0 0\r\n", "ERROR\r\n" + badDel + badDel + badDel + "ERROR\r\n", "", ""},
	{"delete, malformed and quiet", "delete s.a 1 noreply\r\nversion\r\n", v, "", ""},
	{"noreply", "set s.a 5 0 3 noreply\r\nabc\r\nadd s.a 1 0 1 noreply\r\nz\r\ntouch s.a 9 noreply\r\nget s.a\r\ndelete s.a noreply\r\nget s.a\r\n", hit + "END\r\n", "", ""},
	{"noreply, malformed", "touch s.a x noreply\r\nverbosity 1 noreply\r\nversion\r\n", v, "", ""},
	{"some other last word", "set s.a 5 0 3 bogus\r\nabc\r\ntouch s.a 10 bogus\r\nget s.a\r\n", "STORED\r\nTOUCHED\r\n" + hit, "", ""},
	{"exptime in the past", "set s.a 0 -1 1\r\nx\r\nget s.a\r\nadd s.a 0 -1 1\r\nx\r\nget s.a\r\n", "STORED\r\nEND\r\nSTORED\r\nEND\r\n", "", ""},
	{"PHP's strict mode", "add s.a 0 2678400 0\r\n\r\nget s.a\r\nadd s.a 0 2678400 0\r\n\r\n", "STORED\r\nEND\r\nSTORED\r\n", "", ""},
	{"30 days are from now", "set s.a 5 2592000 3\r\nabc\r\nget s.a\r\n", "STORED\r\n" + hit, "", ""},
	{"exptime past 2038", "set s.a 5 4102444800 3\r\nabc\r\nget s.a\r\n", "STORED\r\n" + hit, "STORED\r\nEND\r\n", "memcached counts in 32 bits"},
	{"no command", "\r\n \r\nx\r\nGET s.a\r\nfoo s.a\r\n", "ERROR\r\nERROR\r\nERROR\r\nERROR\r\nERROR\r\n", "", ""},
	{"get without key", "get\r\nget \r\ngets\r\n", "ERROR\r\nERROR\r\nERROR\r\n", "", ""},
	{"long key, get", "get s.a " + long + "\r\nversion\r\n", bad + v, "", ""},
	{"long key, gat", "gat 1 " + long + "\r\n", bad, "", ""},
	{"long key, two in a packet", "get " + long + "\r\nget " + long + "\r\n", bad + bad, bad, "memcached loses the first answer"},
	{"long key, changing", "touch " + long + " 1\r\ndelete " + long + "\r\ntouch " + long + " x\r\n", bad + bad + bad, "", ""},
	{"longest key", "set " + long[:250] + " 0 0 1\r\nx\r\nget " + long[:250] + "\r\n", "STORED\r\nVALUE " + long[:250] + " 0 1\r\nx\r\nEND\r\n", "", ""},
	{"long key, writing", "set " + long + " 0 0 7\r\nversion\r\nget s.a\r\n", bad + "END\r\n", bad + v + "END\r\n", "data is not run as commands"},
	{"control byte in key", "get s.a\tb\r\nset s.\x01 0 0 7\r\nversion\r\n", bad + bad, "END\r\nSTORED\r\n", "protocol.txt forbids them, and no store of ours takes them"},
	{"flags, no number", "set s.a x 0 7\r\nversion\r\nset s.a -1 0 7\r\nversion\r\n", bad + bad, bad + v + bad + v, "data is not run as commands"},
	{"exptime, no number", "set s.a 0 1.5 7\r\nversion\r\n", bad, bad + v, "data is not run as commands"},
	{"flags of 33 bits", "set s.a 4294967296 0 1\r\nx\r\n", bad, "STORED\r\n", "memcached cuts them off"},
	{"length, no number", "set s.a 0 0 x\r\nversion\r\nversion\r\n", bad, bad + v + v, "the end of the data is not known: data is not run as commands"},
	{"length below zero", "set s.a 0 0 -1\r\nversion\r\n", bad, bad + v, "the same"},
	{"length over all", "set s.a 0 0 2147483647\r\nversion\r\n", bad, bad + v, "the same"},
	{"too few words", "set s.a 0 0\r\nversion\r\n", "ERROR\r\n", "ERROR\r\n" + v, "the same"},
	{"too many words", "set s.a 0 0 1 2 3\r\nversion\r\n", "ERROR\r\n", "ERROR\r\n" + v, "the same"},
	{"data too long", "set s.a 0 0 3\r\nabcdef\r\nversion\r\n", chunk, chunk + "ERROR\r\n" + v, "the same"},
	{"data too short", "set s.a 0 0 3\r\nab\r\nversion\r\nversion\r\n", chunk, chunk + "ERROR\r\n" + v, "the same"},
	{"bad chunk stores nothing", "set s.a 0 0 3\r\nabcd\r\n", chunk, chunk + "ERROR\r\n", "the same"},
	{"too large", put + "set s.a 0 0 1048577\r\n" + big + "\r\nget s.a\r\n", "STORED\r\n" + large + hit, "STORED\r\n" + large + "END\r\n", "memcached drops what it had; a refused write changes nothing"},
	{"too large and quiet", "set s.a 0 0 1048577 noreply\r\n" + big + "\r\nversion\r\n", v, "", ""},
	{"touch, malformed", "touch s.a\r\ntouch s.a x\r\ntouch s.a 1 noreply x\r\n", "ERROR\r\n" + badExp + "ERROR\r\n", "", ""},
	{"version", "version\r\nversion x\r\nversion\nversionx\r\n", v + v + v + "ERROR\r\n", "", ""},
	{"verbosity", "verbosity\r\nverbosity 1\r\nverbosity x\r\n", "ERROR\r\nOK\r\n" + bad, "", ""},
	{"stats", "stats x\r\nstats reset\r\n", "ERROR\r\nRESET\r\n", "", ""},
	{"quit", "version\r\nquit\r\nversion\r\n", v, "", ""},
	{"lock", "add l.a 0 30 1\r\n1\r\nadd l.a 0 30 1\r\n1\r\ndelete l.a\r\ndelete l.a\r\nadd l.a 0 0 1\r\n1\r\n", "STORED\r\nNOT_STORED\r\nDELETED\r\nNOT_FOUND\r\nSTORED\r\n", "", ""},
	{"lock and session are two", "add l.a 0 30 1\r\n1\r\n" + put + "get l.a s.a\r\nget l.a\r\n", "STORED\r\nSTORED\r\n" + hit + "END\r\n",
		"STORED\r\nSTORED\r\nVALUE l.a 0 1\r\n1\r\n" + hit + "VALUE l.a 0 1\r\n1\r\nEND\r\n", "what a lock holds is not the client's"},
	{"lock, set or touched", "set l.a 0 30 1\r\n5\r\ntouch l.a 5\r\ngat 5 l.a\r\nadd l.a 0 -1 1\r\n1\r\n", locked + locked + locked + locked,
		"STORED\r\nTOUCHED\r\nVALUE l.a 0 1\r\n5\r\nEND\r\nNOT_STORED\r\n", "locks are not data"},
	{"php-memcache locks", "incr l.a 1\r\nadd l.a 768 15 1\r\n1\r\nget s.a\r\nadd l.a 768 15 1\r\n1\r\nset l.a 768 15 1\r\n0\r\nincr l.a 1\r\nadd l.a 768 15 1\r\n1\r\n",
		"NOT_FOUND\r\nSTORED\r\nEND\r\nNOT_STORED\r\nSTORED\r\nNOT_FOUND\r\nSTORED\r\n",
		"NOT_FOUND\r\nSTORED\r\nEND\r\nNOT_STORED\r\nSTORED\r\n1\r\nNOT_STORED\r\n", "who is not told 1 adds the lock, and is told that he has it"},
	{"replace", "replace s.a 0 0 1\r\nx\r\n" + put + "replace s.a 1 0 1\r\nz\r\nget s.a\r\nreplace s.a 0 -1 1\r\nx\r\nget s.a\r\n", "NOT_STORED\r\nSTORED\r\nSTORED\r\nVALUE s.a 1 1\r\nz\r\nEND\r\nSTORED\r\nEND\r\n", "", ""},
	{"append and prepend", "append s.a 0 0 1\r\nx\r\nprepend s.a 0 0 1\r\nx\r\n" + put + "append s.a 9 -1 1\r\nd\r\nprepend s.a 9 5 2\r\n\r\n\r\nget s.a\r\nappend s.a 0 0 0 noreply\r\n\r\n", "NOT_STORED\r\nNOT_STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\nVALUE s.a 5 6\r\n\r\nabcd\r\nEND\r\n", "", ""},
	{"cas", "cas s.a 0 0 1 5\r\nx\r\n" + put + "cas s.a 0 0 1 99999\r\ny\r\ncas s.a 0 0 1 5 noreply\r\nz\r\ncas s.a 0 0 1 0\r\nx\r\nget s.a\r\n", "NOT_FOUND\r\nSTORED\r\nEXISTS\r\nEXISTS\r\n" + hit, "", ""},
	{"cas, malformed", put + "cas s.a 0 0 7 x\r\nversion\r\ncas s.a 0 0 7 -1\r\nversion\r\n", "STORED\r\n" + bad + bad, "STORED\r\n" + bad + v + bad + v, "data is not run as commands"},
	{"cas without a token", "cas s.a 0 0 7\r\nversion\r\n", "ERROR\r\n", "ERROR\r\n" + v, "the same"},
	{"incr and decr", "incr s.a 1\r\nset s.a 5 0 2\r\n99\r\nincr s.a 1\r\nget s.a\r\ndecr s.a 1\r\nget s.a\r\ndecr s.a 1000\r\nget s.a\r\nincr s.a +5\r\nincr s.a -0\r\nincr s.a 1 noreply\r\nget s.a\r\n",
		"NOT_FOUND\r\nSTORED\r\n100\r\nVALUE s.a 5 3\r\n100\r\nEND\r\n99\r\nVALUE s.a 5 3\r\n99 \r\nEND\r\n0\r\nVALUE s.a 5 3\r\n0  \r\nEND\r\n5\r\n5\r\nVALUE s.a 5 3\r\n6  \r\nEND\r\n", "", ""},
	{"incr, malformed", "incr s.a x\r\nincr s.a -1\r\nincr s.a\r\nincr\r\nincr s.a 1 2 3\r\nincr s.a 18446744073709551616\r\nincr s.a 1x\r\nincr " + long + " 1\r\n",
		delta + delta + "ERROR\r\nERROR\r\nERROR\r\n" + delta + delta + bad, "", ""},
	{"incr wraps", "set s.a 0 0 20\r\n18446744073709551615\r\nincr s.a 1\r\nget s.a\r\ndecr s.a 5\r\nincr s.a 18446744073709551615\r\nincr s.a 18446744073709551615\r\n",
		"STORED\r\n0\r\nVALUE s.a 0 20\r\n0                   \r\nEND\r\n0\r\n18446744073709551615\r\n18446744073709551614\r\n", "", ""},
	{"no number", numbers("abc", "", "5 abc", "  7", "-5", "-0", "+5", "184467440737095516155", "0000000000000000000000005", "5\x00", "5\n", "5\x00x", "-", "5x", "\v\f7"), numbered("n", "n", "6    ", "8  ", "n", "1 ", "6 ", "n", "6                        ", "6 ", "6 ", "6  ", "n", "n", "8  "), "", ""},
	{"flush_all", "flush_all\r\nflush_all 0 noreply\r\nversion\r\n", "SERVER_ERROR flush_all is not supported by crossfade: it would log everybody out; delete the sessions that shall end\r\n" + v, "OK\r\n" + v, "it would log everybody out"},
	{"verbosity 2", "verbosity 1 2\r\nverbosity 1 2 3\r\n", "OK\r\nERROR\r\n", "", ""},

	{"mg", "mg s.a\r\nmg s.a v\r\nmg s.a q\r\nmg s.a q k\r\nmg s.a O1 k\r\nmg s.a k O1 v t\r\n" + put + "mg s.a\r\nmg s.a v\r\nmg s.a k v f t s O123 q\r\nmg s.a vk u P L Px Ly\r\n", "EN\r\nEN\r\nEN O1 ks.a\r\nEN ks.a O1\r\nSTORED\r\nHD\r\nVA 3\r\nabc\r\nVA 3 ks.a f5 t-1 s3 O123\r\nabc\r\n" + twice, "", ""},
	{"mg, flags", "mg s.a x\r\nmg s.a v v\r\nmg s.a @\r\nmg s.a E5\r\nmg s.a J\r\nmg s.a D\r\nmg s.a C\r\nmg s.a F\r\nmg s.a M\r\nmg s.a T\r\nmg s.a Tx\r\nmg s.a N\r\nmg s.a R\r\nmg s.a C1 D1 F1 J1 M1 I\r\nmg s.a O" + strings.Repeat("1", 40) + "\r\nmg s.a O" + strings.Repeat("1", 31) + "\r\nmg s.a S5\r\n",
		inval + twice + inval + inval + "CLIENT_ERROR invalid numeric initial value\r\nCLIENT_ERROR invalid numeric delta value\r\n" + token + bad + "CLIENT_ERROR incorrect length for M token\r\n" + token + token + token + token + "EN\r\nCLIENT_ERROR opaque token too long\r\nEN O" + strings.Repeat("1", 31) + "\r\n" + inval, "", ""},
	{"mg, time", "set s.a 5 100 3\r\nabc\r\nmg s.a t T50 v\r\nmg s.a T60 t\r\nmg s.a T0 t\r\nmg s.a T-1 v\r\nmg s.a v\r\nmg s.a T5\r\n", "STORED\r\nVA 3 t100\r\nabc\r\nHD t60\r\nHD t-1\r\nVA 3\r\nabc\r\nEN\r\nEN\r\n", "", ""},
	{"mg, no key", "mg\r\nmg \r\nmd\r\nma\r\nms\r\n", "ERROR\r\nERROR\r\nERROR\r\nERROR\r\nERROR\r\n", "", ""},
	{"mg, too many flags", "mg s.a " + strings.Repeat("v ", 30) + "\r\nmn\r\n", "CLIENT_ERROR duplicate flag\r\nMN\r\n", "CLIENT_ERROR options flags are too long\r\nMN\r\n", "the first thing that is wrong"},
	{"mg, long key", "mg " + long + " v\r\n", bad, "", ""},
	{"mg, key in base64", put + "mg cy5h b v\r\nmg cy5i b k\r\nmg !!! b\r\nmg cy5 b\r\nmg cy5hYQ b\r\n", "STORED\r\nVA 3\r\nabc\r\nEN kcy5i b\r\n" + key64 + key64 + key64, "", ""},
	{"mg, key in base64 given back", put + "mg cy5h b k\r\n", "STORED\r\nHD kcy5h b\r\n", "STORED\r\nHD ks.a\r\n", "no store notes how a key was written: it is given back as it came"},
	{"mg, who won", "mg s.a N30\r\nmg s.a R30 v\r\nmg s.a h\r\nmg s.a l\r\nmn\r\n", stale("N", "g") + stale("R", "g") + unread("h") + unread("l") + "MN\r\n", "HD W\r\nVA 0 Z\r\n\r\nHD h1 Z\r\nHD l0 Z\r\nMN\r\n", "sessions are never stale, and no store tells when one was read"},
	{"ms", "ms s.a 2\r\nhi\r\nmg s.a v f t\r\nms s.a 2 T30 F5\r\nho\r\nmg s.a t f v\r\nms s.a 2 q\r\nhi\r\nms s.a 2 k O9\r\nhi\r\nms s.a 0 T0\r\n\r\nmg s.a v s t\r\nms s.a 2 T-1\r\nhi\r\nmg s.a v\r\n",
		"HD\r\nVA 2 f0 t-1\r\nhi\r\nHD\r\nVA 2 t30 f5\r\nho\r\nHD ks.a O9\r\nHD\r\nVA 0 s0 t-1\r\n\r\nHD\r\nEN\r\n", "", ""},
	{"ms, modes", "ms s.a 2 MR\r\nhi\r\nms s.a 2 MA\r\nhi\r\nms s.a 2 ME\r\nhi\r\nms s.a 2 ME k q\r\nho\r\nms s.a 2 MR F7\r\nha\r\nms s.a 2 MA F8\r\nxx\r\nms s.a 2 MP\r\nyy\r\nmg s.a v f\r\nms s.a 2 MS\r\nqq\r\nms s.a 2 Ms\r\nqq\r\nms s.a 2 MX\r\nqq\r\nms s.a 2 MEE\r\nqq\r\nmn\r\n",
		"NS\r\nNS\r\nHD\r\nNS ks.a\r\nHD\r\nHD\r\nHD\r\nVA 6 f7\r\nyyhaxx\r\nHD\r\n" + msMode + msMode + "CLIENT_ERROR incorrect length for M token\r\nMN\r\n", "", ""},
	{"ms, cas", "ms s.a 2 C5 c k O9\r\nhi\r\nms s.a 2 C5 ME\r\nhi\r\nms s.a 2 C5\r\nho\r\nms s.a 2 C0\r\nho\r\nms s.a 2 C5 ME c\r\nho\r\nms s.a 2 C5 MR\r\nho\r\nms s.a 2 C5 MA q\r\nho\r\nms s.b 2 C5 MR\r\nhi\r\nms s.b 2 C5 MA\r\nhi\r\nms s.b 2 Cx\r\nhi\r\nmg s.a v\r\n",
		"NF c0 ks.a O9\r\nHD\r\nEX\r\nEX\r\nNS c0\r\nEX\r\nEX\r\nNF\r\nNS\r\n" + token + "VA 2\r\nhi\r\n", "", ""},
	{"ms, flags that say nothing", "ms s.a 2 v t s f h l u J5 D5 N5 R5 P L\r\nhi\r\nms s.a 2 k k\r\nhi\r\nms s.a 2 Z\r\nhi\r\nms s.a 2 F-1\r\nhi\r\nmn\r\n", "HD\r\n" + twice + inval + bad + "MN\r\n", "", ""},
	{"ms, key in base64", "ms cy5h 2 k b\r\nhi\r\nmg s.a v\r\nms @@ 2 b\r\nhi\r\nmn\r\n", "HD kcy5h b\r\nVA 2\r\nhi\r\n" + key64 + "MN\r\n", "", ""},
	{"ms, stale", "ms s.a 2 I\r\nhi\r\nmd s.a I T30\r\nmn\r\n", stale("I", "s") + stale("I", "d") + "MN\r\n", "HD\r\nHD\r\nMN\r\n", "sessions are never stale"},
	{"ms, length unknown", "ms s.a S7\r\nversion\r\n", bad, bad + v, "the end of the data is not known: data is not run as commands"},
	{"ms, no length", "ms s.a\r\nmn\r\n", bad, bad + "MN\r\n", "the same"},
	{"ms, data too long", "ms s.a 1\r\nhi\r\nmn\r\n", chunk, chunk + "ERROR\r\nMN\r\n", "the same"},
	{"ms, too large", "ms s.a 1048577 q\r\n" + big + "\r\nmn\r\n", large + "MN\r\n", "", ""},
	{"md", "md s.a\r\nms s.a 1\r\nx\r\nmd s.a q\r\nmd s.a q\r\nmd s.a k O1\r\nms s.a 1\r\nx\r\nmd cy5h b k O5\r\nms s.a 1\r\nx\r\nmd s.a C5 q\r\nmd s.a C5 O1 k\r\nmd s.a T30 C0\r\nmg s.a\r\n", "NF\r\nHD\r\nNF\r\nNF ks.a O1\r\nHD\r\nHD kcy5h b O5\r\nHD\r\nEX\r\nEX O1 ks.a\r\nEX\r\nHD\r\n", "", ""},
	{"md, flags", "md s.a x\r\nmd s.a k k\r\nmd s.a Cx\r\nmd s.a F\r\nmd s.a M\r\nmd @@ b\r\nmd " + long + "\r\n", dup + dup + dup + dup + dup + dup + bad, "", ""},
	{"ma", "ma s.a\r\nma s.a N0\r\nma s.a N0 v\r\nma s.a v\r\nma s.a v D5\r\nma s.a v MD\r\nma s.a v MD D100\r\nma s.a MI v\r\nma s.a M+ v\r\nma s.a M- v k O7 t\r\nma s.a q v\r\nma s.a v f s u\r\n",
		"NF\r\nHD\r\nVA 1\r\n1\r\nVA 1\r\n2\r\nVA 1\r\n7\r\nVA 1\r\n6\r\nVA 1\r\n0\r\nVA 1\r\n1\r\nVA 1\r\n2\r\nVA 1 ks.a O7 t-1\r\n1\r\nVA 1\r\n3\r\n", "", ""},
	{"ma, made", "ma s.a N90 J13 v t\r\nma s.a v t\r\nma s.a T30 v t\r\nma s.a T0 t v\r\nma s.b N0 J5 D3 MD v q\r\nma s.c N0 q\r\nma s.c N0 q\r\nma s.d q\r\nma s.d q v O1 k\r\nma s.a T-1 v\r\nmg s.a v\r\n",
		"VA 2 t90\r\n13\r\nVA 2 t90\r\n14\r\nVA 2 t30\r\n15\r\nVA 2 t-1\r\n16\r\nVA 1\r\n5\r\nHD\r\nNF\r\nNF O1 ks.d\r\nVA 2\r\n17\r\nEN\r\n", "", ""},
	{"ma, flags", "ma s.a MX N0\r\nma s.a Mi\r\nma s.a M\r\nma s.a Mincr\r\nma s.a Nx\r\nma s.a D-1\r\nma s.a x\r\nms s.a 3\r\nabc\r\nma s.a q\r\nms s.a 1\r\n5\r\nma s.a C5 v\r\nma s.b C5 v\r\nma s.b C5 v N0\r\n",
		maMode + maMode + dup + dup + dup + dup + dup + "HD\r\n" + nan + "HD\r\nEX\r\nNF\r\nVA 1\r\n0\r\n", "", ""},
	{"mn", "mn\r\nmn x\r\n", "MN\r\nMN\r\n", "", ""},
	{"me", "me s.a\r\nme\r\nme " + long + "\r\nme " + long[:250] + "\r\nme !!! b\r\nme cy5h b\r\n", "EN\r\n" + bad + bad + "EN\r\n" + bad + "EN\r\n", "", ""},
	{"me, of a lock", "ms l.a 1 ME T30\r\n1\r\nme l.b\r\nme other\r\n", "HD\r\nEN\r\n" + nobody, "HD\r\nEN\r\nEN\r\n", "which store would it be in?"},
	{"meta locks", "ms l.a 1 ME T30\r\n1\r\nms l.a 1 ME T30\r\n1\r\nmg l.a v\r\nmd l.a\r\nmd l.a\r\n", "HD\r\nNS\r\nEN\r\nHD\r\nNF\r\n", "HD\r\nNS\r\nVA 1\r\n1\r\nHD\r\nNF\r\n", "what a lock holds is not the client's"},
	{"meta, key of no kind", "mg other v\r\nms other 7\r\nversion\r\nmd other\r\nma other\r\n", nobody + nobody + nobody + nobody, "EN\r\nHD\r\nHD\r\nNF\r\n", "which store would it be in?"},
	{"key of no kind", "get other\r\nget s.a other\r\nset other 0 0 7\r\nversion\r\ndelete other\r\ntouch other 1\r\n", nobody + nobody + nobody + nobody + nobody,
		"END\r\nEND\r\nSTORED\r\nDELETED\r\nNOT_FOUND\r\n", "which store would it be in?"},
	{"cut off in a line", "version\r\nvers", v, "", ""},
	{"cut off in data", "version\r\nset s.a 0 0 9\r\nabc", v, "", "memcached holds back what it has answered when the client hangs up"},
}

// numbers sets each value and increments it; numbered is what comes of that: n
// for what is no number.
func numbers(values ...string) (in string) {
	for _, v := range values {
		in += fmt.Sprintf("set s.a 0 0 %d\r\n%s\r\nincr s.a 1\r\nget s.a\r\n", len(v), v)
	}
	return in
}

func numbered(after ...string) (out string) {
	values := []string{"abc", "", "", "", "-5", "", "", "184467440737095516155", "", "", "", "", "-", "5x", ""}
	for i, a := range after {
		answer := strings.TrimRight(a, " ") + "\r\n"
		if a == "n" {
			a, answer = values[i], nan
		}
		out += "STORED\r\n" + answer + fmt.Sprintf("VALUE s.a 0 %d\r\n%s\r\nEND\r\n", len(a), a)
	}
	return out
}

func stale(flag, command string) string {
	return "CLIENT_ERROR flag " + flag + " of m" + command + " is not supported by crossfade: sessions are never stale, and nobody wins them: use add (ME) for a lock\r\n"
}

func unread(flag string) string {
	return "CLIENT_ERROR flag " + flag + " of mg is not supported by crossfade: the stores do not tell when a session was read\r\n"
}

func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			srv := func() *frontends.Server {
				return memcached.New(frontendtest.New(t, web), memcached.Options{})
			}
			if got, want := frontendtest.Play(t, srv(), tt.in), tt.want; got != want {
				t.Fatalf("got  %.400q\nwant %.400q", got, want)
			}
			// However the packet is split.
			if got, want := frontendtest.Play(t, srv(), frontendtest.Bytewise(tt.in)...), tt.want; got != want {
				t.Errorf("bytewise: got  %.400q\nwant %.400q", got, want)
			}
			for i := 1; i < len(tt.in); i += max(1, len(tt.in)/300) {
				if got, want := frontendtest.Play(t, srv(), tt.in[:i], tt.in[i:]), tt.want; got != want {
					t.Fatalf("split at %d: got  %.400q\nwant %.400q", i, got, want)
				}
			}
		})
	}
}

// TestReal sends the same packets to memcached: equal answers, or the
// difference that the table declares.
func TestReal(t *testing.T) {
	s, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			if got := frontendtest.Ask(t, s.Addr(), "flush_all\r\n"); got != "OK\r\n" {
				t.Fatalf("flush_all: %q", got)
			}
			want := tt.real
			if tt.why == "" {
				want = tt.want
			} else if tt.real == tt.want {
				t.Error("declared as different, and is not")
			}
			if got := frontendtest.Ask(t, s.Addr(), tt.in); got != want {
				t.Errorf("memcached: got %.4000q\nwant %.4000q", got, want)
			}
		})
	}
}
