package memcached_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// FuzzStream looks for panics, for answers that depend on how the stream is
// split, and for calls made of what stood in a data block.
func FuzzStream(f *testing.F) {
	for _, tt := range answers {
		if len(tt.in) < 5000 {
			f.Add([]byte(tt.in), 3)
		}
	}
	for _, tt := range binaries {
		if len(tt.in) < 5000 {
			f.Add([]byte(tt.in), 30)
		}
	}
	f.Add([]byte("set s.a 0 0 2147483645\r\nx"), 1)
	f.Add([]byte("get"+strings.Repeat(" s.a", 1025)+"\r\n"), 9)
	f.Add([]byte(strings.Repeat("get s.a\r\n", 500)), 100)
	f.Fuzz(func(t *testing.T, stream []byte, at int) {
		o := memcached.Options{Server: frontends.Options{Value: 1000, Line: 5000, Now: noon}}
		one, two := frontendtest.New(t, web), frontendtest.New(t, web)
		one.Now, two.Now = noon, noon
		whole := frontendtest.Play(t, memcached.New(one, o), string(stream))
		at = min(max(at, 0), len(stream))
		split := frontendtest.Play(t, memcached.New(two, o), string(stream[:at]), string(stream[at:]))
		if whole != split && !strings.Contains(whole, "STAT ") {
			t.Errorf("whole: %q\nsplit at %d: %q", whole, at, split)
		}
		if a, b := strings.Join(one.Calls(), "\n"), strings.Join(two.Calls(), "\n"); a != b {
			t.Errorf("calls:\n%s\nsplit at %d:\n%s", a, at, b)
		}
	})
}

// TestMemory lets clients announce much and send little, ask much and read
// nothing, and looks at the heap.
func TestMemory(t *testing.T) {
	const clients = 5
	for name, stream := range map[string]string{
		"a large value announced":  "set s.a 0 0 1048576\r\nx",
		"a larger value announced": "set s.a 0 0 2147483000\r\nx",
		"a larger value":           "set s.a 0 0 16777216\r\n" + strings.Repeat("x", 16<<20) + "\r\n",
		"a deep pipeline":          strings.Repeat("get s.a\r\n", 5000),
		"a packet announced":       bput[:8] + "\x7f\xff\xff\xff" + bput[12:],
		"a larger packet":          bin(bSet, 0, be(0, 0), "s.a", strings.Repeat("x", 16<<20)),
		"a line without end":       "get " + strings.Repeat("x", 60_000),
	} {
		t.Run(name, func(t *testing.T) {
			fake := frontendtest.New(t, web)
			fake.Quiet = true
			srv := memcached.New(fake, memcached.Options{})
			for range clients {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				frontendtest.Play(t, srv, stream)
				runtime.ReadMemStats(&after)
				if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
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
		"get": "get s.a\r\n", "mg": "mg s.a k O5 v\r\n", "packet": bput,
	} {
		t.Run(name, func(t *testing.T) {
			fake := frontendtest.New(t, web)
			fake.Quiet = true
			srv := memcached.New(fake, memcached.Options{})
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
