package frontends

import (
	"testing"
	"time"
)

// TestPatience: whoever waits has at least the time that is asked for, at most
// half as much more, and the deadline is seldom moved.
func TestPatience(t *testing.T) {
	const long = time.Minute
	var p patience
	var until time.Time
	moved := 0
	begin := time.Now()
	for now := begin; now.Before(begin.Add(time.Hour)); now = now.Add(time.Second) {
		if u, ok := p.renew(now, long); ok {
			until = u
			moved++
		}
		if left := until.Sub(now); left < long || left > long+long/2 {
			t.Fatalf("%v are left, want one minute to one and a half", left)
		}
	}
	if moved > 150 {
		t.Errorf("moved %d times in 3600 requests", moved)
	}
	p = patience{}
	if u, ok := p.renew(begin, -1); !ok || !u.IsZero() {
		t.Errorf("no end: got %v, %v", u, ok)
	}
	if _, ok := p.renew(begin, -1); ok {
		t.Error("no end is set twice")
	}
}
