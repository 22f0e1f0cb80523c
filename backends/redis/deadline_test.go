package redis

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTakesMoments(t *testing.T) {
	for version, want := range map[string]bool{"7.0.15": true, "6.2.0": true, "6.0.16": false, "5.0.3": false, "10.1": true, "": false, "x.y": false} {
		if got := takesMoments(version); got != want {
			t.Errorf("%q: got %v, want %v", version, got, want)
		}
	}
}

// TestSetArgs: a server that is an hour ahead is sent its own time, and before
// 6.2 the time left.
func TestSetArgs(t *testing.T) {
	var n node
	now := time.Now()
	n.clock.Note(now.Add(time.Hour), time.Microsecond, now, now)
	d := now.Add(time.Minute).Truncate(time.Millisecond)
	end := n.end(d)
	if most := d.Add(time.Hour).UnixMilli(); end < most || end > most+1 {
		t.Errorf("end: got %d, want %d or one more", end, most)
	}
	words := func(data string, end int64) []string { // of *5 $3 set $1 k $1 v $4 pxat $13 …
		c := newCall(true)
		n.set(c, "k", []byte(data), end)
		var out []string
		for i, w := range strings.Fields(string(c.buf)) {
			if i%2 == 0 && i > 0 {
				out = append(out, w)
			}
		}
		return out
	}
	args := words("v", end)
	if px, err := strconv.ParseInt(args[4], 10, 64); err != nil || args[3] != "px" || px < 59_000 || px > 60_001 {
		t.Errorf("before 6.2: got %v, want px and about 60000", args[3:])
	}
	n.moments.Store(true)
	if got, want := words("v", end)[3:], []string{"pxat", strconv.FormatInt(end, 10)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := n.end(now.Add(-time.Nanosecond)); got != endPast {
		t.Errorf("past: got %d", got)
	}
	if got := words("v", n.end(time.Time{})); len(got) != 3 {
		t.Errorf("never: got %v", got)
	}
	if got := n.deadline(now.Add(time.Hour), 60_000); got.Sub(now.Add(time.Minute)).Abs() > 2*time.Millisecond {
		t.Errorf("read: got %v", got)
	}
}
