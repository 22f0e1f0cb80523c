package memcached_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

// history is a random stream of what is answered as memcached does.
func history(r *rand.Rand) string {
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
	for range 200 {
		switch r.IntN(15) {
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
	}
	return b.String()
}

// TestRandom plays random histories to the frontend and to memcached.
func TestRandom(t *testing.T) {
	s, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for range 60 {
		seed := rand.Uint64()
		in := history(rand.New(rand.NewPCG(seed, 0)))
		frontendtest.Ask(t, s.Addr(), "flush_all\r\n")
		want := frontendtest.Ask(t, s.Addr(), in)
		got := frontendtest.Play(t, memcached.New(frontendtest.New(t, web), memcached.Options{}), in)
		if got != want {
			n := 0
			for n < min(len(got), len(want)) && got[n] == want[n] {
				n++
			}
			t.Fatalf("seed %d, byte %d: got …%.100q\nmemcached …%.100q\nafter …%q", seed, n, got[n:], want[n:], got[max(0, n-100):n])
		}
	}
}
