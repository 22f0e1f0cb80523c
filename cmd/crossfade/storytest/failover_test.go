package storytest

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

// TestRevived: a data server that was killed comes back under the one name that
// the Sentinels know it by, so that it can be promoted again.
func TestRevived(t *testing.T) {
	t.Parallel()
	s := &stores{t: t, sentinel: true}
	t.Cleanup(s.stop)
	var err error
	if s.redis, err = localserver.RedisSentinel(t.Context(), localserver.SetOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, d := range s.redis.Data {
		s.data = append(s.data, newProxy(t, d.Addr(), &s.who))
	}
	s.announce()
	for n, dead := range []int{0, 1}[:or(long, 2, 1)] {
		if err := s.redis.Data[dead].Kill(); err != nil {
			t.Fatal(err)
		}
		s.data[dead].refuse()
		binarytest.Within(t, 60*time.Second, "the replica to be promoted", func() bool {
			return strings.Contains(s.ask(s.redis.Data[1-dead], "INFO", "replication"), "role:master")
		})
		s.revive(dead)
		// Two questions that the Sentinels ask the servers (each second).
		time.Sleep(2500 * time.Millisecond)
		for _, w := range s.redis.Sentinels {
			list := s.ask(w, "SENTINEL", "REPLICAS", localserver.Master)
			if got := strings.Count(list, "runid"); got != 1 || !strings.Contains(list, s.data[dead].addr()) {
				t.Errorf("failover %d: a Sentinel knows %d replicas, want the one at %s: %s", n, got, s.data[dead].addr(), strings.ReplaceAll(list, "\n", " "))
			}
		}
		if p := s.primary(); p != 1-dead {
			t.Errorf("failover %d: the primary is %d, want %d", n, p, 1-dead)
		}
	}
}
