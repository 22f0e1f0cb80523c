package storytest

import (
	"net"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

// TestStory is the whole way, with two servers over the sites' own Galera.
func TestStory(t *testing.T) {
	t.Parallel()
	users, workers, agents, wait := 150, 12, 6, 40*time.Millisecond
	cut := 2 * time.Second
	if long {
		users, workers, wait, cut = 1000, 48, time.Millisecond, 8*time.Second
	}
	f := newFleet(t, newStores(t, 3, true), 2, agents)
	s := newStory(f, cut)
	f.ramp("mirror", 1) // an agent without flags serves nobody
	for _, a := range f.agents {
		binarytest.Within(t, 30*time.Second, a.name+" is ready", a.ready)
	}
	s.crowd = newCrowd(f, users, workers, wait)
	defer s.end()
	f.ramp("mirror", 100)
	s.soak(1)
	f.backfill()
	f.verify()
	f.ramp("read-new", 1)
	at := "fenced"
	some := func(names ...string) []fault {
		if long {
			return faults(at == "cutover")
		}
		var list []fault
		for _, f := range faults(at == "cutover") {
			for _, n := range names {
				if f.name == n {
					list = append(list, f)
				}
			}
		}
		if len(list) != len(names) {
			t.Fatalf("of %v there are only %d", names, len(list))
		}
		return list
	}
	for _, x := range some("a Galera node is killed and back") {
		s.suffer(at, x)
	}
	if long { // an agent has died: what it had not written yet is in nobody's memory
		f.backfill()
		f.verify()
	}
	at = "read-new"
	f.ramp("read-new", 25)
	s.soak(1)
	f.ramp("read-new", 100)
	for _, x := range some("new's primary dies, replica behind", "an agent is killed and back", "the leading server is killed",
		"one agent's way to new stalls", "one agent's way to old stalls") {
		s.suffer(at, x)
	}
	f.verify()
	f.ramp("cutover", 1)
	s.soak(1)
	f.ramp("cutover", 100)
	at = "cutover"
	for _, x := range some("memcached restarts") {
		s.suffer(at, x)
	}
	for long && s.crowd.ops.Load() < 1_000_000 {
		s.soak(5)
	}
	s.crowd.finish()
	s.crowd.everybody()
}

// soak lets users click for a while in peace.
func (s *story) soak(seconds int) {
	s.t.Helper()
	n := s.crowd.ops.Load()
	time.Sleep(time.Duration(seconds) * time.Second)
	if s.crowd.ops.Load() == n {
		s.t.Error("nobody was served while nothing was broken")
	}
}

func hostPort(addr string) (string, string) {
	host, port, _ := net.SplitHostPort(addr)
	return host, port
}
