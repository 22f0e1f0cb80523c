package memcached_test

import (
	"maps"
	"testing"

	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

type classes map[string]int

func (c classes) Unsupported(class string) { c[class]++ }
func (classes) Connections(int)            {}

// TestUnsupportedIsCounted: each refusal counts in its class, whatever protocol
// it is of, and an answer of memcached's own counts in none.
func TestUnsupportedIsCounted(t *testing.T) {
	for in, want := range map[string]classes{
		"flush_all\r\nflush_all noreply\r\n":                        {frontends.ClassFlush: 2},
		"foo s.a\r\n":                                               {frontends.ClassCommand: 1},
		"get other\r\nset other 0 0 1\r\nx\r\nmg other v\r\n":       {frontends.ClassKey: 3},
		"touch l.a 1\r\nms l.a 1 MS\r\nx\r\n":                       {frontends.ClassLock: 2},
		"mg s.a h\r\nmg s.a N30\r\nms s.a 1 I\r\nx\r\nmd s.a I\r\n": {frontends.ClassMeta: 4},
		"mg s.a @\r\ndelete s.a 1\r\nincr s.a x\r\n":                {},
		bin(0x70, 0, "", "", "") + bin(bFlush, 0, "", "", ""):       {frontends.ClassBinary: 1, frontends.ClassFlush: 1},
		bin(bGet, 0, "", "other", ""):                               {frontends.ClassKey: 1},
	} {
		got := classes{}
		frontendtest.Play(t, memcached.New(frontendtest.New(t, web), memcached.Options{Server: frontends.Options{Observer: got}}), in)
		if !maps.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", in, got, want)
		}
	}
}
