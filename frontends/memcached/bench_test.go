package memcached_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

var packets = map[string]string{
	"get":    "get s.q9pr2r6v3vsl9c1n2v3hm1b7gd\r\n",
	"get x4": strings.Repeat("get s.q9pr2r6v3vsl9c1n2v3hm1b7gd\r\n", 4),
	"set":    "set s.q9pr2r6v3vsl9c1n2v3hm1b7gd 0 1440 512\r\n" + strings.Repeat("x", 512) + "\r\n",
	"touch":  "touch s.q9pr2r6v3vsl9c1n2v3hm1b7gd 1440\r\n",
}

func quick(tb testing.TB) *frontends.Server {
	return memcached.New(frontendtest.NewQuick(tb, 512, web), memcached.Options{})
}

func BenchmarkCommands(b *testing.B) {
	for name, packet := range packets {
		b.Run(name, func(b *testing.B) {
			srv := quick(b)
			b.ReportAllocs()
			if err := srv.ServeConn(b.Context(), &frontendtest.Loop{Packet: packet, N: b.N}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkSocket is one client on loopback: what a request costs with its
// system calls.
func BenchmarkSocket(b *testing.B) {
	nc, err := net.Dial("tcp", frontendtest.Start(b, quick(b)))
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	buf := make([]byte, len("VALUE s.q9pr2r6v3vsl9c1n2v3hm1b7gd 0 512\r\n\r\nEND\r\n")+512)
	for b.Loop() {
		io.WriteString(nc, packets["get"])
		if _, err := io.ReadFull(nc, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations: one for the key's name, which Resolve makes, and the layer's
// own.
func TestAllocations(t *testing.T) {
	if frontendtest.Race {
		t.Skip("the race detector has pools forget things")
	}
	for name, packet := range packets {
		srv, n := quick(t), 2000
		c := &frontendtest.Loop{Packet: packet}
		got := testing.AllocsPerRun(3, func() {
			c.N = n
			srv.ServeConn(t.Context(), c)
		}) / float64(n) / float64(1+strings.Count(packet, "\r\nget"))
		if got > 1.1 {
			t.Errorf("%s: %.2f allocations", name, got)
		}
	}
}
