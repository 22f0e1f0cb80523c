package census

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

func hashes(seed uint64, n int) []flags.Hash {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]flags.Hash, n)
	for i := range out {
		for j := 0; j < 16; j += 8 {
			for k, v := 0, rng.Uint64(); k < 8; k++ {
				out[i][j+k] = byte(v >> (8 * k))
			}
		}
	}
	return out
}

var t0 = time.Unix(1_700_000_000, 0)

// TestShare: one in 64, and after thinning still a fair share of all.
func TestShare(t *testing.T) {
	c := New(100)
	all := hashes(1, 64_000)
	for _, h := range all {
		if c.Takes(h) {
			c.Seen(h, t0, t0.Add(time.Hour))
			c.Judge(h, Kept, t0)
		}
	}
	s := c.Sample(t0)
	if len(s.Sessions) > 100 || s.Rate <= Rate {
		t.Fatalf("%d sessions at one in %d: want at most 100, thinned", len(s.Sessions), s.Rate)
	}
	want := 0
	for _, h := range all {
		if Takes(h, s.Rate) {
			want++
		}
	}
	if len(s.Sessions) != want {
		t.Errorf("%d sessions of the %d that are one in %d", len(s.Sessions), want, s.Rate)
	}
}

// TestLife: what happens to one session, step by step.
func TestLife(t *testing.T) {
	c := New(10)
	var h flags.Hash // zero: taken at any rate
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	want := func(now int, verdict string) {
		t.Helper()
		got := "none"
		for _, s := range c.Sample(at(now)).Sessions {
			got = s.Verdict.String()
		}
		if got != verdict {
			t.Errorf("at %d s: %s, want %s", now, got, verdict)
		}
	}
	if !c.Seen(h, at(0), at(100)) {
		t.Error("the first read wants no look")
	}
	if c.Seen(h, at(1), at(100)) {
		t.Error("a second look while one is under way")
	}
	want(1, "unknown")
	c.Judge(h, Lost, at(2))
	want(2, "lost")
	if !c.Seen(h, at(3), at(100)) {
		t.Error("a later read wants no look")
	}
	c.GiveUp(h)
	want(3, "lost")
	c.Extend(h, at(200))
	want(150, "lost")
	c.Seen(h, at(151), at(200))
	c.Gone(h, at(152), at(180))
	c.Judge(h, Kept, at(153)) // the look was too late
	want(153, "gone")
	if !c.Seen(h, at(154), at(300)) {
		t.Error("a session that was made again wants no look")
	}
	want(154, "unknown")
	want(300, "none")
	for _, v := range []Verdict{Unknown, Kept, Lost, Gone} {
		if got, ok := ParseVerdict(v.String()); !ok || got != v {
			t.Errorf("%v is read as %v, %v", v, got, ok)
		}
	}
}
