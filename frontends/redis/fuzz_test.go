package redis_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// FuzzStream looks for panics, and for answers that depend on how the stream
// is split.
func FuzzStream(f *testing.F) {
	for _, tt := range answers {
		if len(tt.in) < 5000 {
			f.Add([]byte(tt.in), 3)
		}
	}
	f.Add([]byte("*1048576\r\n$1\r\nx\r\n"), 1)
	f.Add([]byte("*2\r\n$3\r\nGET\r\n$536870912\r\nx"), 9)
	f.Add([]byte(strings.Repeat(cmd("GET", "s.a"), 500)), 100)
	f.Fuzz(sameHoweverSplit)
}

// sameHoweverSplit plays a stream whole and in two packets.
func sameHoweverSplit(t *testing.T, stream []byte, at int) {
	o := redis.Options{Server: frontends.Options{Value: 1000, Line: 5000, Args: 20, Now: noon}}
	one, two := frontendtest.New(t, web), frontendtest.New(t, web)
	one.Now, two.Now = noon, noon
	whole := frontendtest.Play(t, redis.New(one, o), string(stream))
	at = min(max(at, 0), len(stream))
	split := frontendtest.Play(t, redis.New(two, o), string(stream[:at]), string(stream[at:]))
	// Connections have numbers of their own, and INFO has the uptime.
	if whole != split && !strings.Contains(whole, "uptime") && !strings.Contains(strings.ToLower(string(stream)), "id") &&
		!strings.Contains(whole, "modules") {
		t.Errorf("whole: %q\nsplit at %d: %q", whole, at, split)
	}
	if a, b := strings.Join(one.Calls(), "\n"), strings.Join(two.Calls(), "\n"); a != b {
		t.Errorf("calls:\n%s\nsplit at %d:\n%s", a, at, b)
	}
}

// TestMutated is FuzzStream for a moment: the corpus with bytes changed, cut,
// doubled and moved.
func TestMutated(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var corpus [][]byte
	for _, tt := range answers {
		if len(tt.in) < 2000 {
			corpus = append(corpus, []byte(tt.in))
		}
	}
	for range 2000 {
		b := bytes.Clone(corpus[r.IntN(len(corpus))])
		for range 1 + r.IntN(4) {
			i, j := r.IntN(len(b)+1), r.IntN(len(b)+1)
			i, j = min(i, j), min(max(i, j), min(i, j)+40)
			switch r.IntN(4) {
			case 0:
				if i < len(b) {
					b[i] = "\r\n*$-0123456789 \"'\x00\xffgG"[r.IntN(22)]
				}
			case 1:
				b = slices.Delete(b, i, j)
			case 2:
				b = slices.Insert(b, i, b[i:j]...)
			case 3:
				other := corpus[r.IntN(len(corpus))]
				b = slices.Insert(b, i, other[r.IntN(len(other)+1):]...)
			}
		}
		sameHoweverSplit(t, b, r.IntN(len(b)+1))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzRequest writes a command of any arguments and has it echoed.
func FuzzRequest(f *testing.F) {
	f.Add("abc", 4000)
	f.Add("\r\n$1\r\n", 1)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, arg string, times int) {
		arg = strings.Repeat(arg, min(max(times, 0), 100_000/max(len(arg), 1)))
		got := frontendtest.Play(t, redis.New(frontendtest.New(t, web), redis.Options{}), cmd("ECHO", arg)+cmd("ECHO", arg))
		if want := strings.TrimPrefix(cmd(arg), "*1\r\n"); got != want+want {
			t.Errorf("ECHO %q: %q", arg, got)
		}
	})
}

// TestMemory lets clients announce much and send little, ask much and read
// nothing, and looks at the heap.
func TestMemory(t *testing.T) {
	const clients = 5
	for name, stream := range map[string]string{
		"a large value announced":    "*2\r\n$3\r\nGET\r\n$1048576\r\nx",
		"a larger value announced":   "*2\r\n$3\r\nGET\r\n$536870912\r\nx",
		"a larger value":             cmd("SET", "s.a", strings.Repeat("x", 16<<20)),
		"many arguments announced":   "*1024\r\n$1\r\nx\r\n",
		"more arguments announced":   "*1048576\r\n" + strings.Repeat("$1\r\nx\r\n", 10_000),
		"large arguments, in number": "*1000\r\n" + strings.Repeat("$100000\r\n"+strings.Repeat("x", 100_000)+"\r\n", 20),
		"a deep pipeline":            strings.Repeat(cmd("GET", "s.a"), 5000),
		"a deep transaction":         cmd("MULTI") + strings.Repeat(cmd("INCR", "s.a"), 20_000),
		"a large transaction":        cmd("MULTI") + strings.Repeat(cmd("SET", "s.a", strings.Repeat("x", 100_000)), 200),
		"many transactions":          strings.Repeat(cmd("MULTI")+cmd("INCR", "s.a")+cmd("EXEC"), 2000),
		"many scripts":               strings.Repeat(cmd("SCRIPT", "LOAD", pyRelease), 3000),
		"a line without end":         "GET " + strings.Repeat("x", 60_000),
	} {
		t.Run(name, func(t *testing.T) {
			fake := frontendtest.New(t, web)
			fake.Quiet = true
			srv := redis.New(fake, redis.Options{})
			for range clients {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				frontendtest.Play(t, srv, stream)
				runtime.ReadMemStats(&after)
				// The buffers of a value grow by doubling: 4 MiB for one of 1 MiB.
				if n := after.TotalAlloc - before.TotalAlloc; n > 6<<20 {
					t.Errorf("%d bytes allocated", n)
				}
			}
		})
	}
}

// TestPipeline sends 100,000 commands in one go: a connection takes no more
// memory for them than for one.
func TestPipeline(t *testing.T) {
	for name, packet := range map[string]string{
		"get": cmd("GET", "s.a"), "incr": cmd("INCR", "s.a"), "multi": cmd("MULTI") + cmd("GET", "s.a") + cmd("EXEC"),
	} {
		t.Run(name, func(t *testing.T) {
			fake := frontendtest.New(t, web)
			fake.Quiet = true
			srv := redis.New(fake, redis.Options{})
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			n := 100_000
			if frontendtest.Race && name != "get" {
				n = 10_000
			}
			if err := srv.ServeConn(t.Context(), &frontendtest.Loop{Packet: packet, N: n}); err != nil {
				t.Fatal(err)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > 1<<20 {
				t.Errorf("%d bytes are held after it", n)
			}
		})
	}
}
