package clock

import (
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }
	const ms = time.Millisecond
	type answer struct {
		server     time.Time
		sent, got  time.Time
		lo, hi     time.Duration // at least, at most
		whatItIsOf string
	}
	ahead := func(by, when int) time.Time { return at(when + by) }
	for _, tt := range []struct {
		name    string
		answers []answer
	}{
		{"slow, then quick", []answer{
			{ahead(500, 90), at(0), at(100), 490 * ms, 591 * ms, "one answer bounds it by its own round trip"},
			{ahead(500, 201), at(200), at(202), 499 * ms, 502 * ms, "a quick one makes it narrow"},
			{ahead(500, 390), at(300), at(400), 498 * ms, 503 * ms, "a slow one does not widen it again"},
		}},
		{"two slow ones, each early or late", []answer{
			{ahead(0, 1), at(0), at(100), -99 * ms, 2 * ms, "answered at once"},
			{ahead(0, 299), at(200), at(300), -2 * ms, 3 * ms, "answered at the end: together they are narrow"},
		}},
		{"the server's clock is set", []answer{
			{ahead(0, 1), at(0), at(2), -1 * ms, 2 * ms, "before"},
			{ahead(-3_600_000, 1001), at(1000), at(1002), -3_600_001 * ms, -3_599_998 * ms, "an hour back: nothing of before counts"},
		}},
		{"our clock goes back between question and answer", []answer{
			{ahead(7, 1), at(0), at(2), 6 * ms, 9 * ms, "before"},
			{ahead(7, 500), at(1000), at(0), 6 * ms, 9 * ms, "no bound at all: left out"},
		}},
		{"drift", []answer{
			{ahead(0, 1), at(0), at(2), -1 * ms, 2 * ms, "before"},
			{ahead(0, 60_050), at(60_000), at(60_100), -38 * ms, 39 * ms, "a minute later it may have gone 36 ms"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Clock
			if _, ok := c.Doubt(); ok {
				t.Error("an unused clock says that it knows")
			}
			for _, a := range tt.answers {
				c.Note(a.server, time.Millisecond, a.sent, a.got)
				if c.lo < a.lo || c.hi > a.hi || c.lo > c.hi {
					t.Errorf("%s: got %v to %v, want within %v to %v", a.whatItIsOf, c.lo, c.hi, a.lo, a.hi)
				}
			}
			d := base.Add(time.Hour)
			if got := c.Here(c.There(d)); !got.Equal(d) {
				t.Errorf("there and back: got %v, want %v", got, d)
			}
		})
	}
}
