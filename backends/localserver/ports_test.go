package localserver

import (
	"net"
	"testing"
)

// A server that was killed keeps its port: nobody who asks for a free one gets
// it, in this process or in another, until the server was stopped.
func TestPortOfAKilledServer(t *testing.T) {
	s, err := Memcached(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if claim(s.port) {
		t.Fatal("claimed the port of a server that is to come back")
	}
	if l, err := net.Listen("unix", "@crossfade-port-"+at(s.port)[len("127.0.0.1:"):]); err == nil {
		l.Close()
		t.Error("another process would have claimed the port of a server that is to come back")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if !claim(s.port) {
		t.Error("the port of a stopped server is not free")
	}
	disclaim(s.port)
}

// Nobody is given the port of a cluster node's bus.
func TestPortOfABus(t *testing.T) {
	n, err := clusterNode(t.Context(), SetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Stop() })
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if claim(n.port + busAhead) {
		t.Error("claimed the bus of a node that is to come back")
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []int{n.port, n.port + busAhead} {
		if !claim(p) {
			t.Errorf("port %d of a stopped node is not free", p)
		}
		disclaim(p)
	}
}

func TestClaimInARow(t *testing.T) {
	base, err := claimFrom(firstPort, lowPorts, 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claimFrom(base, base+4, 1); err == nil {
		t.Errorf("claimed one of four from %d, which are taken", base)
	}
	ports := []int{base, base + 1, base + 2, base + 3}
	disclaim(ports...)
	for _, p := range ports {
		if claims.held[p] != nil {
			t.Errorf("port %d is held after disclaim", p)
		}
	}
}
