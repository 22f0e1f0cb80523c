package memcached_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	mcstore "github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memory"
	redisstore "github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

// history is a random list of what is answered as memcached does, and of the
// exceptions.
func history(r *rand.Rand) (commands []string) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	key := func() string { return "s." + pick("a", "b", "c", "d") }
	counter := func() string { return "s." + pick("m", "n") }
	time := func() string { return pick("0", "100", "2592000", "-1", "2678400") }
	quiet := func() string { return pick("", "", " ", " noreply") }
	flagsOf := func(of ...string) (out string) {
		for range r.IntN(5) {
			out += " " + pick(of...)
		}
		return out
	}
	var b strings.Builder
	for len(commands) < 200 {
		b.Reset()
		switch r.IntN(18) {
		case 15:
			fmt.Fprintf(&b, "gets %s %s\r\nmg %s%s\r\n", key(), counter(), key(), flagsOf("c", "v", "k", "f"))
		case 16:
			fmt.Fprintf(&b, "gats %s %s\r\ndecr %s 0%s\r\n", time(), key(), counter(), quiet())
		case 17:
			b.WriteString(exceptions[r.IntN(len(exceptions))].command)
		case 9:
			data := fmt.Sprint(r.IntN(1000))
			fmt.Fprintf(&b, "%s %s 0 100 %d%s\r\n%s\r\n", pick("set", "replace", "add"), counter(), len(data), quiet(), data)
			fmt.Fprintf(&b, "%s %s 9 5 %d%s\r\n%s\r\n", pick("replace", "append", "prepend"), key(), len(data), quiet(), data)
		case 10:
			fmt.Fprintf(&b, "cas %s 0 0 1 %s%s\r\nx\r\n", key(), pick("0", "99999", "18446744073709551615"), quiet())
		case 11:
			fmt.Fprintf(&b, "incr %s %d%s\r\n", counter(), r.IntN(100), quiet())
		case 12:
			fmt.Fprintf(&b, "mg %s%s\r\n", key(), flagsOf("v", "k", "f", "s", "t", "q", "O7", "T100", "u", "x", "C5", "N"))
		case 13:
			fmt.Fprintf(&b, "ms %s 3%s\r\nabc\r\n", key(), flagsOf("F7", "T100", "ME", "MA", "MP", "MR", "MS", "k", "O8", "q", "C99999", "MX", "T-1"))
		case 14:
			// Numbers only grow: whether memcached pads one that has become shorter
			// depends on who else holds it, and one of white space alone makes it
			// read on into whatever lies behind.
			fmt.Fprintf(&b, "m%s %s%s\r\n", pick("d", "a"), counter(), flagsOf("q", "k", "O9", "C99999", "N0", "J5", "D3", "v", "t", "MI", "w"))
		case 0, 1, 2:
			data := strings.Repeat(pick("x", "\r\n", "END\r\n", "\x00"), r.IntN(2000))
			fmt.Fprintf(&b, "%s %s %d %s %d%s\r\n%s\r\n", pick("set", "set", "add"), key(), r.Uint32(), time(), len(data), quiet(), data)
		case 3, 4:
			fmt.Fprintf(&b, "get%s\r\n", strings.Repeat(" "+key(), 1+r.IntN(5)))
		case 5:
			fmt.Fprintf(&b, "gat %s %s %s\r\n", time(), key(), key())
		case 6:
			fmt.Fprintf(&b, "touch %s %s%s\r\n", key(), time(), quiet())
		case 7:
			fmt.Fprintf(&b, "delete %s%s%s\r\n", key(), pick("", " 0"), quiet())
		case 8:
			lock := "l." + pick("a", "b")
			b.WriteString(pick("add "+lock+" 0 30 1\r\n1\r\n", "delete "+lock+"\r\n", "foo\r\n", "\r\n", "version\r\n", "touch s.a x\r\n"))
		}
		commands = append(commands, b.String())
	}
	return commands
}

// exceptions are commands of a random history that are answered otherwise than
// by memcached, on purpose: by how the answer begins. None changes anything.
var exceptions = []struct{ command, answer, why string }{
	{"get l.a\r\n", "END\r\n", "what a lock holds is not the client's"},
	{"gat 30 l.b\r\n", "CLIENT_ERROR key is a session's lock", "locks are not data"},
	{"get other\r\n", "CLIENT_ERROR key is no session", "which store would it be in?"},
	{"mg s.a h\r\n", "CLIENT_ERROR flag h of mg", "no store tells when a session was read"},
	{"ms s.me 3 T100\r\nabc\r\nme s.me\r\n", "HD\r\nME s.me ", "memcached tells of its own memory too"},
	{"get s.a\tb\r\n", "CLIENT_ERROR bad command line format", "protocol.txt forbids control bytes in keys"},
	{"stats settings\r\n", "END\r\n", "they are memcached's own"},
}

// asksLife is the flag t, which is an error over a server without meta commands:
// it does not tell.
var asksLife = regexp.MustCompile(`( t)+([ \r])`)

// separator comes between two commands: its answer stands in no data here.
const separator = "mn\r\n"

// Parts of answers that two servers give each their own way: a
// token, and whole seconds of life, which each counts by its own ticks.
var (
	tokens  = regexp.MustCompile(`(?m)(^VALUE \S+ \d+ \d+| c)( ?)\d+`)
	seconds = regexp.MustCompile(` t(\d+)`)
)

// alike tells whether two answers are the same, but for tokens and a tick of the
// clock.
func alike(a, b string) bool {
	if a == b {
		return true
	}
	strip := func(s string) (rest string, life []int) {
		s = tokens.ReplaceAllStringFunc(s, func(m string) string { return strings.TrimRight(m, "0123456789") })
		return seconds.ReplaceAllStringFunc(s, func(m string) string {
			n, _ := strconv.Atoi(m[2:])
			life = append(life, n)
			return " t"
		}), life
	}
	a, lifeA := strip(a)
	b, lifeB := strip(b)
	return a == b && slices.EqualFunc(lifeA, lifeB, func(x, y int) bool { return x-y <= 2 && y-x <= 2 })
}

// TestRandom plays random histories to memcached and to an agent's layer in off,
// over each kind of store: the same answers, but for the exceptions.
func TestRandom(t *testing.T) {
	real := backendtest.Memcached(t)
	used := map[string]bool{}
	for name, open := range stores(t) {
		for range 15 {
			seed := rand.Uint64()
			commands := history(rand.New(rand.NewPCG(seed, 0)))
			if name == oldServer {
				for i, c := range commands {
					commands[i] = asksLife.ReplaceAllString(c, "$2")
				}
			}
			in := strings.Join(commands, separator)
			frontendtest.Ask(t, real.Addr(), "flush_all\r\n")
			want := strings.Split(frontendtest.Ask(t, real.Addr(), in), "MN\r\n")
			got := strings.Split(inOff(t, open(), in), "MN\r\n")
			for i, c := range commands {
				if i >= len(got) || i >= len(want) {
					t.Fatalf("%s, seed %d: %d and %d answers to %d commands, the last %.200q and %.200q", name, seed, len(got), len(want), len(commands), got[len(got)-1], want[len(want)-1])
				}
				if !alike(got[i], want[i]) && !excepted(c, got[i], used) {
					t.Fatalf("%s, seed %d, command %d, %.100q: got %.200q\nmemcached %.200q", name, seed, i, c, got[i], want[i])
				}
			}
		}
	}
	for _, e := range exceptions {
		if !used[e.command] {
			t.Errorf("%q is declared as an exception (%s), and is none", e.command, e.why)
		}
	}
}

func excepted(command, answer string, used map[string]bool) bool {
	for _, e := range exceptions {
		if command == e.command {
			used[command] = true
			return strings.HasPrefix(answer, e.answer)
		}
	}
	return false
}

// oldServer is a memcached without meta commands.
const oldServer = "old memcached"

// stores are those that an agent may have in off, each empty.
func stores(t *testing.T) map[string]func() backends.Store {
	mc, rd := backendtest.Memcached(t), backendtest.Redis(t)
	flushed := func() string { frontendtest.Ask(t, mc.Addr(), "flush_all\r\n"); return mc.Addr() }
	return map[string]func() backends.Store{
		"memory":    func() backends.Store { return memory.New(memory.Options{Migration: "m"}) },
		"memcached": func() backends.Store { return mcstore.New(flushed(), mcstore.Options{Migration: "m"}) },
		oldServer:   func() backends.Store { return mcstore.New(flushed(), mcstore.Options{Migration: "m", Classic: true}) },
		"redis": func() backends.Store {
			frontendtest.Ask(t, rd.Addr(), "FLUSHALL\r\n")
			return redisstore.New(redisstore.Options{Migration: "m", Addr: rd.Addr(), KeepFlags: true})
		},
	}
}

// inOff answers a stream from a layer in off over one store.
func inOff(t *testing.T, old backends.Store, in string) string {
	t.Helper()
	s, end := frontendtest.Off(t, old, web)
	defer end()
	return frontendtest.Play(t, memcached.New(s, memcached.Options{}), in)
}

// TestUnsaidLife: whoever asks for a life that nobody knows is told so, and
// nothing is changed.
func TestUnsaidLife(t *testing.T) {
	mc := backendtest.Memcached(t)
	got := inOff(t, mcstore.New(mc.Addr(), mcstore.Options{Migration: "m", Classic: true}),
		"ms s.a 1 T100\r\n5\r\nmg s.a t\r\nma s.a t\r\nma s.a v\r\nma s.b N100 t\r\nma s.a T50 t v\r\n")
	const unsaid = "SERVER_ERROR the store cannot say how long the session lives: ask without the flag t\r\n"
	if want := "HD\r\n" + unsaid + unsaid + "VA 1\r\n6\r\nHD t100\r\nVA 1 t50\r\n7\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDebug: me tells what any store knows, and leaves out what none does.
func TestDebug(t *testing.T) {
	const in = "ms s.a 3 T100 F7\r\nabc\r\nme s.a\r\nme cy5h b\r\nmg s.a c\r\nms s.b 0\r\n\r\nme s.b\r\n"
	for name, open := range stores(t) {
		exp, never := "exp=100 ", "exp=-1 "
		if name == oldServer {
			exp, never = "", ""
		}
		lines := strings.Split(inOff(t, open(), in), "\r\n")
		got := strings.Join(lines, "\n")
		me := regexp.MustCompile(`^ME s.a ` + exp + `cas=(\d+) size=3$`).FindStringSubmatch(strings.Replace(lines[1], "exp=99 ", "exp=100 ", 1))
		if len(lines) != 7 || me == nil || lines[2] != lines[1] && name == "memory" || lines[3] != "HD c"+me[1] ||
			!regexp.MustCompile(`^ME s.b `+never+`cas=\d+ size=0$`).MatchString(lines[5]) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
