package memcached_test

import (
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
	locked = "CLIENT_ERROR key is a session's lock: crossfade takes add and delete for it, with an expiry that lies ahead\r\n"
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
	{"lock, set or touched", "set l.a 0 30 1\r\n0\r\ntouch l.a 5\r\ngat 5 l.a\r\nadd l.a 0 -1 1\r\n1\r\n", locked + locked + locked + locked,
		"STORED\r\nTOUCHED\r\nVALUE l.a 0 1\r\n0\r\nEND\r\nNOT_STORED\r\n", "locks are not data"},
	{"key of no kind", "get other\r\nget s.a other\r\nset other 0 0 7\r\nversion\r\ndelete other\r\ntouch other 1\r\n", nobody + nobody + nobody + nobody + nobody,
		"END\r\nEND\r\nSTORED\r\nDELETED\r\nNOT_FOUND\r\n", "which store would it be in?"},
	{"replace", "replace s.a 0 0 7\r\nversion\r\n", "SERVER_ERROR replace is not supported by crossfade: use set\r\n", "NOT_STORED\r\n", "not yet"},
	{"replace, quiet", "replace s.a 0 0 7 noreply\r\nversion\r\nversion\r\n", v, "", ""},
	{"cas", "cas s.a 0 0 7 5\r\nversion\r\n", "SERVER_ERROR cas is not supported by crossfade in this version: use set, under a lock (add) where two may write\r\n", "NOT_FOUND\r\n", "not yet"},
	{"append", "append s.a 0 0 7\r\nversion\r\n", "SERVER_ERROR append is not supported by crossfade: read the session, change it, and set it whole\r\n", "NOT_STORED\r\n", "not yet"},
	{"incr", "incr s.a 1\r\nincr s.a\r\n", "SERVER_ERROR incr is not supported by crossfade: use add for locks, and another server for counters\r\nERROR\r\n", "NOT_FOUND\r\nERROR\r\n", "not yet"},
	{"flush_all", "flush_all\r\nflush_all 0 noreply\r\nversion\r\n", "SERVER_ERROR flush_all is not supported by crossfade: it would log everybody out; delete the sessions that shall end\r\n" + v, "OK\r\n" + v, "it would log everybody out"},
	{"meta", "mg s.a v\r\nms s.a 7 T0\r\nversion\r\nmn\r\n", strings.Join([]string{"", "mg", "ms", "mn"}, "|"), "EN\r\nHD\r\nMN\r\n", "not yet"},
	{"meta, length unknown", "ms s.a S7\r\nversion\r\n", bad, bad + v, "the end of the data is not known: data is not run as commands"},
	{"binary", "\x80\x0c\x00\x03\x00\x00\x00\x00\x00\x00\x00\x03\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00s.a",
		"\x81\x0c\x00\x00\x00\x00\x00\x81\x00\x00\x00\x7e\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00binary protocol is not supported by crossfade in this version: set the client to ASCII (php: memcached.sess_binary_protocol=0)",
		"\x81\x0c\x00\x03\x00\x00\x00\x01\x00\x00\x00\x03\x01\x02\x03\x04\x00\x00\x00\x00\x00\x00\x00\x00s.a", "not yet"},
	{"cut off in a line", "version\r\nvers", v, "", ""},
	{"cut off in data", "version\r\nset s.a 0 0 9\r\nabc", v, "", "memcached holds back what it has answered when the client hangs up"},
}

// wanted writes out the shorthand of a row.
func wanted(want string) string {
	if !strings.HasPrefix(want, "|") {
		return want
	}
	out := ""
	for _, name := range strings.Split(want[1:], "|") {
		out += "SERVER_ERROR " + name + " is not supported by crossfade: let the client speak the ASCII protocol without meta commands\r\n"
	}
	return out
}

func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			srv := func() *frontends.Server {
				return memcached.New(frontendtest.New(t, web), memcached.Options{})
			}
			if got, want := frontendtest.Play(t, srv(), tt.in), wanted(tt.want); got != want {
				t.Fatalf("got  %.400q\nwant %.400q", got, want)
			}
			// However the packet is split.
			if got, want := frontendtest.Play(t, srv(), frontendtest.Bytewise(tt.in)...), wanted(tt.want); got != want {
				t.Errorf("bytewise: got  %.400q\nwant %.400q", got, want)
			}
			for i := 1; i < len(tt.in); i += max(1, len(tt.in)/300) {
				if got, want := frontendtest.Play(t, srv(), tt.in[:i], tt.in[i:]), wanted(tt.want); got != want {
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
				want = wanted(tt.want)
			} else if tt.real == wanted(tt.want) {
				t.Error("declared as different, and is not")
			}
			if got := frontendtest.Ask(t, s.Addr(), tt.in); got != want {
				t.Errorf("memcached: got %.400q\nwant %.400q", got, want)
			}
		})
	}
}
