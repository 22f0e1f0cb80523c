package cli

import (
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/migrate/logouts"
)

// TestLogoutsText: what the screen says of would-be logouts.
func TestLogoutsText(t *testing.T) {
	for _, tt := range []struct {
		e    logouts.Estimate
		want string
	}{
		{logouts.Estimate{Upper: 234, Followed: 812, Rate: 64},
			"would-be logouts: 0 (95 %: 0 to 234), from 812 sessions, one in 64 of those read; idle sessions: not verified yet"},
		{logouts.Estimate{Estimate: 128, Lower: 16, Upper: 459, Followed: 400, Lost: 2, Rate: 64, IdleKnown: true, IdleAge: 90 * time.Second, Silent: 1},
			"would-be logouts: 128 (95 %: 16 to 459), from 400 sessions, one in 64 of those read; idle sessions: 0 left different by the verification 1m30s ago; 1 agents did not say"},
	} {
		if got := logoutsText(tt.e); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
