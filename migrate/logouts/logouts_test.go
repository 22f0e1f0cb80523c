package logouts

import (
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/census"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

var t0 = time.Unix(1_700_000_000, 0)

// TestBounds: for none and one found there are closed forms: ln 0.025 / ln 63/64,
// and ln 0.975 / ln 63/64; the others lie where the chance crosses the tail.
func TestBounds(t *testing.T) {
	for _, tt := range []struct{ k, lower, upper int }{
		{0, 0, 234}, {1, 2, 354}, {2, 16, 459},
	} {
		if lo, up := lower(tt.k, 1./64), upper(tt.k, 1./64); lo != tt.lower || up != tt.upper {
			t.Errorf("%d found: %d to %d, want %d to %d", tt.k, lo, up, tt.lower, tt.upper)
		}
	}
	for k := 1; k < 300; k++ { // each bound is where the chance crosses the tail
		lo, up := lower(k, 1./64), upper(k, 1./64)
		if lo > 64*k || up < 64*k || 1-atMost(k-1, lo-1, 1./64) > tail && lo > k || atMost(k, up+1, 1./64) > tail {
			t.Errorf("%d found: %d to %d", k, lo, up)
		}
	}
}

func session(n byte, v census.Verdict, seen int) census.Session {
	return census.Session{Hash: flags.Hash{0: n}, Verdict: v, Seen: t0.Add(time.Duration(seen) * time.Second)}
}

// TestMerge: a session counts once, with what was seen of it last, at the
// sparsest rate.
func TestMerge(t *testing.T) {
	sparse := flags.Hash{12: 3} // 768 of 65,536: in one of 64, not in one of 128
	a := census.Sample{Rate: 64, Sessions: []census.Session{session(1, census.Lost, 1), session(2, census.Lost, 5), {Hash: sparse, Verdict: census.Lost, Seen: t0}}}
	b := census.Sample{Rate: 128, Sessions: []census.Session{session(1, census.Kept, 2), session(2, census.Gone, 4), session(3, census.Unknown, 0)}}
	m := Merge(a, b)
	e := Of(m, Verification{}, t0)
	if m.Rate != 128 || e.Followed != 3 || e.Lost != 1 || e.Unknown != 1 || e.IdleKnown {
		t.Errorf("%+v of %+v", e, m)
	}
	if e.Lower < 1 || e.Upper < e.Estimate || e.Estimate < 128 {
		t.Errorf("bounds %v to %v around %v", e.Lower, e.Upper, e.Estimate)
	}
	// A verification that began later has looked at both.
	v := Verification{Began: t0.Add(3 * time.Second), Ended: t0.Add(4 * time.Second), Unresolved: 7}
	e = Of(Merge(a), v, t0.Add(10*time.Second))
	if e.Followed != 1 || e.Lost != 1 || !e.IdleKnown || e.Unresolved != 7 || e.IdleAge != 6*time.Second || e.Estimate != 64+7 {
		t.Errorf("after a verification: %+v", e)
	}
	if e := Of(Merge(), Verification{}, t0); e.Estimate != 0 || e.Lower != 0 || e.Upper != 234 {
		t.Errorf("of nothing: %+v", e)
	}
}
