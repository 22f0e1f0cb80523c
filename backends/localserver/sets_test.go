package localserver_test

import (
	"context"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
)

func TestSets(t *testing.T) {
	for name, tt := range map[string]struct {
		start           func(context.Context, localserver.SetOptions) (*localserver.Set, error)
		data, sentinels int
		want            string
	}{
		"sentinel": {localserver.RedisSentinel, 2, 3, "role:master"},
		"cluster":  {localserver.RedisCluster, 3, 0, "cluster_enabled:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := tt.start(t.Context(), localserver.SetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			if len(s.Data) != tt.data || len(s.Sentinels) != tt.sentinels || len(localserver.Addrs(s.Data)) != tt.data {
				t.Errorf("got %d data servers and %d sentinels", len(s.Data), len(s.Sentinels))
			}
			if got := s.Ask(t.Context(), s.Data[0], "INFO"); !strings.Contains(got, tt.want) {
				t.Errorf("want %s in %s", tt.want, got)
			}
			do(t, s.Stop)
			do(t, s.Stop)
			if got := s.Ask(t.Context(), s.Data[0], "PING"); got != "" {
				t.Errorf("got %q from a stopped server", got)
			}
		})
	}
}
