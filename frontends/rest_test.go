package frontends_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
)

// TestRest looks at what a connection keeps when it rests, after commands that
// needed much.
func TestRest(t *testing.T) {
	const n = 200
	f := frontendtest.New(t, web)
	f.Quiet = true
	_, addr := serve(t, f, frontends.Options{})
	large := "set s.a 0 0 300000\r\n" + strings.Repeat("x", 300_000) + "\r\n"
	longLine := "get" + strings.Repeat(" s.b", 1000) + "\r\n"
	dial(t, "tcp", addr).ask(large+longLine, "STORED\r\nEND\r\n")
	used := func() uint64 {
		runtime.GC()
		runtime.GC() // what pools hold goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := used()
	for range n {
		dial(t, "tcp", addr).ask(large+longLine, "STORED\r\nEND\r\n")
	}
	per := (int64(used()) - int64(before)) / n
	t.Logf("%d bytes a connection, both ends", per)
	if per > 24<<10 {
		t.Errorf("%d bytes for a connection at rest, want 24 KiB at most", per)
	}
}
