package redis_test

import (
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/redis"
)

// TestSettleFindsTheServer: a call that its server holds back (CLIENT PAUSE) is
// killed there, whichever server of the set that is, also by another store's
// Settle; and a run id that nobody has is settled.
func TestSettleFindsTheServer(t *testing.T) {
	for name, o := range map[string]redis.Options{"sentinel": sentinelOptions(sentinels.get(t)), "cluster": clusterOptions(clustered.get(t))} {
		t.Run(name, func(t *testing.T) {
			s, other := open(t, o), open(t, o)
			if err := s.Set(t.Context(), session("a", "before")); err != nil {
				t.Fatal(err)
			}
			// Every server of both sets: replicas do not mind.
			for _, n := range append(sentinels.get(t).Data, clustered.get(t).Data...) {
				c := direct(t, n.Addr())
				if err := c.Do(t.Context(), "client", "pause", 10000, "write").Err(); err != nil {
					t.Fatal(err)
				}
				defer c.Do(t.Context(), "client", "unpause")
			}
			u := timeOut(t, s, "a")
			if err := s.Settle(t.Context(), u.Conn, ""); err == nil || !strings.Contains(err.Error(), "run id") {
				t.Errorf("without a run id: got %v", err)
			}
			if err := other.Settle(t.Context(), u.Conn, u.RunID); err != nil {
				t.Fatal(err)
			}
			for _, n := range append(sentinels.get(t).Data, clustered.get(t).Data...) {
				if err := direct(t, n.Addr()).Do(t.Context(), "client", "unpause").Err(); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Set(t.Context(), session("b", "after")); err != nil {
				t.Fatal(err)
			}
			if got, _, err := s.Get(t.Context(), key("a")); err != nil || string(got.Data) != "before" {
				t.Errorf("got %q, %v: a settled call has arrived", got.Data, err)
			}
			if err := s.Settle(t.Context(), "id:1", strings.Repeat("0", 40)); err != nil {
				t.Errorf("a server that is no more: %v", err)
			}
			tidy(t, s, 200)
		})
	}
}
