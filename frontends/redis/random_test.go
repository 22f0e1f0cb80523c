package redis_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memory"
	redisstore "github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

// exceptions are commands of a random history that are answered otherwise than
// by redis-server, on purpose: by how the answer begins. None changes anything.
var exceptions = []struct{ command, answer, why string }{
	{"GET l.a", "-", "what a lock holds is not the client's"}, // as a null, in either protocol
	{"SCAN 0", "-ERR SCAN is not supported", "the layer lists nothing"},
	{"FOO s.a", "-ERR unknown command 'FOO': crossfade", "arguments may be ids and data"},
	{"SELECT 99", "-ERR DB index is out of range", "which kind would that be?"},
	{"CLIENT SETINFO LIB-NAME x", "+OK", "newer than 7.0, and harmless"},
	{"GET other", "-ERR key is no session", "which store would it be in?"},
}

// history is a random list of commands. Deadlines are absolute or far away, so
// that two servers that take them at different moments answer the same. exact
// histories ask and compare them to the millisecond: a store that has them by
// PTTL, and not by its own clock, is one beside it.
func history(r *rand.Rand, exact bool) (commands [][]string) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	key := func() string { return "s." + pick("a", "b", "c", "d") }
	counter := func() string { return "s." + pick("m", "n", "o") }
	keys := func(name string) []string {
		args := []string{name}
		for range 1 + r.IntN(4) {
			args = append(args, key())
		}
		return args
	}
	some := func(args []string, most int, of ...string) []string {
		for range r.IntN(most + 1) {
			args = append(args, pick(of...))
		}
		return args
	}
	data := func() string { return strings.Repeat(pick("x", "\r\n", "$1\r\n", "\x00"), r.IntN(2000)) }
	number := func() string { return pick("100000", "0", "-1", "1000000", "x", "", "9223372036854775807") }
	moment := func() string { return pick("4102444800", "4102444801", "4000000000", "0", "1", "-1", "x") }
	at := func() string { return pick(milli, "4102444800001", "4000000000499", "4000000000500", "0", "1", "x") }
	term := func() string {
		if exact {
			return pick("NX", "XX", "GT", "gt", "lt", "LT")
		}
		return pick("NX", "XX")
	}
	one := func() []string {
		switch r.IntN(13) {
		case 0:
			args := []string{"SET", key(), data()}
			for range r.IntN(3) {
				args = append(args, pick("NX", "nx", "EX", "PX", "exat", "bogus"), number())
			}
			return args
		case 1:
			args := some([]string{"SET", counter(), pick("1", "-5", "9223372036854775806", "x", "")}, 3, "NX", "XX", "GET", "get", "KEEPTTL")
			return append(args, [][]string{nil, {"EXAT", moment()}, {"PXAT", at()}}[r.IntN(3)]...)
		case 2:
			return []string{pick("SETEX", "PSETEX"), key(), strconv.Itoa(r.IntN(5) * 100_000), data()}
		case 3:
			return []string{pick("GET", "get", "STRLEN", "TYPE", "GETDEL", "PERSIST", "GETEX"), pick(key(), counter())}
		case 4:
			return keys(pick("MGET", "DEL", "UNLINK", "EXISTS", "TOUCH"))
		case 5:
			return []string{pick("EXPIRE", "EXPIREAT", "PEXPIREAT"), key(), number()}
		case 6:
			return [][]string{{"SETNX", key(), data()}, {"GETSET", key(), data()}, {"APPEND", pick(key(), counter()), pick("1", "x", data())}}[r.IntN(3)]
		case 7:
			return [][]string{{"SET", "l.a", "t" + pick("1", "2"), "NX", "PX", "30000"}, {"EVALSHA", sha, "1", "l.a", "t" + pick("1", "2")},
				{"EVAL", pyRelease, "1", "l.a", "t" + pick("1", "2")}, {"DEL", "l.a"}}[r.IntN(4)]
		case 8:
			return [][]string{{"PING"}, {"ECHO", data()}, {"SELECT", "0"}, {"GET"}, {"CLIENT", "GETNAME"}, {"CLIENT", "SETNAME", "x"}, {"SCRIPT", "EXISTS", sha, "x"}, {"CONFIG", "GET", "nothing"}}[r.IntN(8)]
		case 9:
			return [][]string{{pick("INCR", "DECR"), pick(counter(), key())}, {pick("INCRBY", "DECRBY"), counter(), pick(number(), strconv.Itoa(r.IntN(99)-50), "-9223372036854775808")}}[r.IntN(2)]
		case 10:
			return some([]string{"EXPIREAT", counter(), moment()}, 2, term(), term(), term(), "bogus")
		case 11:
			return [][]string{some([]string{"PEXPIREAT", counter(), at()}, 2, term(), term()),
				{"GETEX", counter(), pick("EXAT", "exat", "NX"), moment()}, {"GETEX", counter(), "PXAT", at()}, {"GETEX", counter(), "PERSIST"}}[r.IntN(4)]
		}
		if exact && r.IntN(2) == 0 {
			return []string{pick("EXPIRETIME", "PEXPIRETIME"), counter()}
		}
		return []string{"GETRANGE", key(), strconv.Itoa(r.IntN(20) - 10), strconv.Itoa(r.IntN(3000) - 1500)}
	}
	for len(commands) < 200 {
		switch r.IntN(20) {
		case 0:
			commands = append(commands, []string{"MULTI"})
			for range r.IntN(6) {
				commands = append(commands, one())
			}
			commands = append(commands, []string{pick("EXEC", "EXEC", "EXEC", "DISCARD")})
		case 1:
			commands = append(commands, strings.Fields(exceptions[r.IntN(len(exceptions))].command))
		case 2:
			commands = append(commands, [][]string{{"EXEC"}, {"DISCARD"}, {"HELLO", "2"}, {"HELLO", "3"}, {"RESET"}}[r.IntN(5)])
		default:
			commands = append(commands, one())
		}
	}
	return commands
}

// cut gives the first answer of a stream and the rest, in RESP2 or RESP3.
func cut(s string) (first, rest string) {
	var whole func(at int) int
	whole = func(at int) int {
		line := strings.Index(s[at:], "\r\n")
		if line < 0 {
			return len(s)
		}
		next := at + line + 2
		n, _ := strconv.Atoi(s[at+1 : at+line])
		switch s[at] {
		case '$', '=':
			if n >= 0 {
				next += n + 2
			}
		case '%':
			n *= 2
			fallthrough
		case '*':
			for ; n > 0 && next < len(s); n-- {
				next = whole(next)
			}
		}
		return min(next, len(s))
	}
	end := whole(0)
	return s[:end], s[end:]
}

// TestRandom plays random histories to redis-server and to an agent's layer in
// off, over a memory store and over another redis-server, in RESP2 and RESP3:
// the same answers, but for the exceptions.
func TestRandom(t *testing.T) {
	s, err := localserver.Redis(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	behind, err := localserver.Redis(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Stop()
	used := map[string]bool{}
	for round := range 40 {
		seed := rand.Uint64()
		inMemory := round%4 < 2
		commands := history(rand.New(rand.NewPCG(seed, 0)), inMemory)
		var in strings.Builder
		if round%2 == 1 {
			commands = append([][]string{{"HELLO", "3"}}, commands...)
		}
		for _, args := range commands {
			in.WriteString(cmd(args...))
		}
		frontendtest.Ask(t, s.Addr(), "FLUSHALL\r\n"+cmd("SCRIPT", "LOAD", script))
		want := frontendtest.Ask(t, s.Addr(), in.String())
		var old backends.Store = memory.New(memory.Options{Migration: "m"})
		if !inMemory {
			frontendtest.Ask(t, behind.Addr(), "FLUSHALL\r\n")
			old = redisstore.New(redisstore.Options{Migration: "m", Addr: behind.Addr()})
		}
		got := inOff(t, old, in.String())
		for i, args := range commands {
			var ours, theirs string
			ours, got = cut(got)
			theirs, want = cut(want)
			ours, theirs = sameID(ours), sameID(theirs)
			if ours == theirs {
				continue
			}
			if !excepted(args, ours, used) {
				t.Fatalf("seed %d, round %d, command %d, %.80q: got %.200q\nredis-server %.200q", seed, round, i, args, ours, theirs)
			}
		}
		if got != want {
			t.Fatalf("seed %d: after the last answer %.300q, redis-server %.300q", seed, got, want)
		}
	}
	for _, e := range exceptions {
		if !used[e.command] {
			t.Errorf("%s is declared as an exception (%s), and is none", e.command, e.why)
		}
	}
}

func excepted(args []string, answer string, used map[string]bool) bool {
	for _, e := range exceptions {
		if strings.Join(args, " ") != e.command {
			continue
		}
		used[e.command] = true
		return strings.HasPrefix(answer, e.answer) || e.answer == "-" && (answer == null || answer == "_\r\n")
	}
	return false
}

// inOff answers a stream from a layer in off over one store.
func inOff(t *testing.T, old backends.Store, in string) string {
	t.Helper()
	door, end := frontendtest.Off(t, old, web)
	defer end()
	return frontendtest.Play(t, redis.New(door, redis.Options{}), in)
}
