package redis_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

// history is a random stream of what is answered as Redis does.
func history(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	key := func() string { return "s." + pick("a", "b", "c", "d") }
	keys := func(name string) []string {
		args := []string{name}
		for range 1 + r.IntN(4) {
			args = append(args, key())
		}
		return args
	}
	data := func() string { return strings.Repeat(pick("x", "\r\n", "$1\r\n", "\x00"), r.IntN(2000)) }
	number := func() string { return pick("100000", "0", "-1", "1000000", "x", "", "9223372036854775807") }
	var b strings.Builder
	for range 200 {
		var args []string
		switch r.IntN(9) {
		case 0, 1:
			args = []string{"SET", key(), data()}
			for range r.IntN(3) {
				args = append(args, pick("NX", "nx", "EX", "PX", "exat", "bogus"), number())
			}
		case 2:
			args = []string{pick("SETEX", "PSETEX"), key(), strconv.Itoa(r.IntN(5) * 100_000), data()}
		case 3:
			args = []string{pick("GET", "get", "STRLEN"), key()}
		case 4:
			args = keys(pick("MGET", "DEL", "UNLINK", "EXISTS"))
		case 5:
			args = []string{pick("EXPIRE", "EXPIREAT", "PEXPIREAT"), key(), number()}
		case 6:
			args = []string{pick("SETNX"), key(), data()}
		case 7:
			args = [][]string{{"SET", "l.a", "t" + pick("1", "2"), "NX", "PX", "30000"}, {"EVALSHA", sha, "1", "l.a", "t" + pick("1", "2")}, {"DEL", "l.a"}}[r.IntN(3)]
		case 8:
			args = [][]string{{"PING"}, {"ECHO", data()}, {"SELECT", "0"}, {"GET"}, {"CLIENT", "GETNAME"}}[r.IntN(5)]
		}
		b.WriteString(cmd(args...))
	}
	return b.String()
}

// TestRandom plays random histories to the frontend and to redis-server.
func TestRandom(t *testing.T) {
	s, err := localserver.Redis(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for range 60 {
		seed := rand.Uint64()
		in := history(rand.New(rand.NewPCG(seed, 0)))
		frontendtest.Ask(t, s.Addr(), "FLUSHALL\r\n"+cmd("SCRIPT", "LOAD", script))
		want := frontendtest.Ask(t, s.Addr(), in)
		got := frontendtest.Play(t, redis.New(frontendtest.New(t, web), redis.Options{}), in)
		if got != want {
			n := 0
			for n < min(len(got), len(want)) && got[n] == want[n] {
				n++
			}
			t.Fatalf("seed %d, byte %d: got …%.100q\nredis-server …%.100q\nafter …%q", seed, n, got[n:], want[n:], got[max(0, n-100):n])
		}
	}
}
