package memcached

import (
	"math"
	"testing"
	"time"
)

func TestExptime(t *testing.T) {
	now := time.Unix(1_795_000_000, 250_000_000)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		left time.Duration
		want int64
	}{
		{-time.Nanosecond, -1}, {0, -1}, {-40 * day, -1},
		{time.Nanosecond, 2}, {time.Second, 2}, {time.Second + 1, 3}, {time.Hour, 3601},
		{30*day - time.Second, 2592000},           // the last that is relative
		{30*day - time.Second + 1, 1_797_592_000}, // rounded up, no tick
		{30 * day, 1_797_592_001}, {60 * day, 1_800_184_001},
		{100 * 365 * day, math.MaxInt32},
	} {
		if got := exptime(now.Add(tt.left), now); got != tt.want {
			t.Errorf("%v from now: got %d, want %d", tt.left, got, tt.want)
		}
	}
	if got := exptime(time.Time{}, now); got != 0 {
		t.Errorf("never: got %d, want 0", got)
	}
	for _, tt := range []struct {
		left    int64
		want    time.Time
		unknown bool
	}{
		{leftNever, time.Time{}, false},
		{leftUnknown, time.Time{}, true},
		{61, now.Add(time.Minute), false},
		{1, now.Add(500 * time.Millisecond), false},
	} {
		if got, unknown := deadlineOf(tt.left, now); !got.Equal(tt.want) || unknown != tt.unknown {
			t.Errorf("%d left: got %v, %v, want %v, %v", tt.left, got, unknown, tt.want, tt.unknown)
		}
	}
}
