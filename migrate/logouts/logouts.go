// Package logouts estimates the would-be logouts of a fleet: how many live
// sessions would be lost if the next stage were entered now, with bounds.
//
//	e := logouts.Of(logouts.Merge(samples...), logouts.Verification{…}, time.Now())
//	fmt.Printf("%.0f (95 %%: %.0f to %.0f)", e.Estimate, e.Lower, e.Upper)
//
// Every session is in the sample or not by its hash: each with the chance 1 in
// Rate, one apart from the other, however often it is read and by however many
// agents. So of K lost sessions the sample has a number that is binomial with
// that chance, whatever the number of all sessions. The bounds invert it: Lower
// is the smallest K that gives as many as were found with a chance above 2.5 %,
// Upper the largest that gives as few. Between them lies the truth at least 95
// times in 100: for none found the upper bound is 3.7 times the rate, 234, not
// zero.
//
// A session whose verdict is unknown is counted as lost in the upper bound and
// as kept in the lower. Sessions that nobody has read since the last verification
// began are idle: the verification looked at all of them, and what it left
// unresolved is added. Without one nothing is said of the idle: IdleKnown.
package logouts

import (
	"bytes"
	"math"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/census"
)

// tail is the chance that the truth lies beyond one bound: 95 % between them.
const tail = 0.025

// Verification is what the last look at all sessions came to; the zero value
// means that there was none.
type Verification struct {
	Began, Ended time.Time
	Unresolved   int64
}

// Estimate of the sessions that would be lost.
type Estimate struct {
	Estimate float64 `json:"estimate"`
	Lower    float64 `json:"lower"` // 95 %: the truth lies between the two
	Upper    float64 `json:"upper"`
	// Followed sessions are one in Rate of those that clients read since the last
	// verification began and that still live; Lost and Unknown are among them.
	Followed int `json:"followed"`
	Lost     int `json:"lost"`
	Unknown  int `json:"unknown"`
	Rate     int `json:"rate"`
	// Idle sessions are those that nobody has read since. Unresolved is what the
	// verification left; IdleAge how long ago it ended. IdleKnown false: there was
	// none, and nothing is said of the idle.
	IdleKnown  bool          `json:"idle_known"`
	Unresolved int64         `json:"idle_unresolved"`
	IdleAge    time.Duration `json:"idle_age_ns"`
	// Silent agents did not give their sample: what only they have seen is not
	// in the estimate.
	Silent int `json:"silent_agents"`
}

// Merge makes one sample of those of several agents: a session counts once, with
// what was seen of it last. All are cut to the sparsest rate among them.
func Merge(samples ...census.Sample) census.Sample {
	out := census.Sample{Rate: census.Rate}
	n := 0
	for _, s := range samples {
		out.Rate = max(out.Rate, s.Rate)
		n += len(s.Sessions)
	}
	all := make([]census.Session, 0, n)
	for _, s := range samples {
		for _, x := range s.Sessions {
			if census.Takes(x.Hash, out.Rate) {
				all = append(all, x)
			}
		}
	}
	slices.SortFunc(all, func(a, b census.Session) int {
		if c := bytes.Compare(a.Hash[:], b.Hash[:]); c != 0 {
			return c
		}
		return b.Seen.Compare(a.Seen) // the newest first: that one stays
	})
	out.Sessions = slices.CompactFunc(all, func(a, b census.Session) bool { return a.Hash == b.Hash })
	return out
}

// Of estimates from the merged sample of a fleet.
func Of(s census.Sample, v Verification, now time.Time) Estimate {
	e := Estimate{Rate: s.Rate, IdleKnown: !v.Ended.IsZero()}
	for _, x := range s.Sessions {
		if x.Verdict == census.Gone || x.Seen.Before(v.Began) {
			continue
		}
		e.Followed++
		switch x.Verdict {
		case census.Lost:
			e.Lost++
		case census.Unknown:
			e.Unknown++
		}
	}
	if e.IdleKnown {
		e.Unresolved, e.IdleAge = v.Unresolved, now.Sub(v.Ended)
	}
	p := 1 / float64(s.Rate)
	e.Estimate = float64(e.Lost) / p
	if e.Lost > 0 { // the unknown are lost as often as the others
		e.Estimate *= float64(e.Followed) / float64(e.Followed-e.Unknown)
	}
	e.Lower = float64(lower(e.Lost, p))
	e.Upper = float64(upper(e.Lost+e.Unknown, p))
	// Those that the verification left may be active by now, and counted there:
	// they do not move the lower bound.
	e.Estimate += float64(e.Unresolved)
	e.Upper += float64(e.Unresolved)
	return e
}

// lower is the smallest K of which a sample has at least k with more than the
// tail's chance.
func lower(k int, p float64) int {
	if k == 0 {
		return 0
	}
	lo, hi := k, int(float64(k)/p)+1
	for lo < hi {
		mid := (lo + hi) / 2
		if 1-atMost(k-1, mid, p) > tail {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// upper is the largest K of which a sample has at most k with more than the
// tail's chance.
func upper(k int, p float64) int {
	lo, hi := int(float64(k)/p), int((float64(k)+10*math.Sqrt(float64(k))+20)/p)
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if atMost(k, mid, p) > tail {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// atMost is the chance that of n, each taken with the chance p, at most k are.
func atMost(k, n int, p float64) float64 {
	if k >= n {
		return 1
	}
	logN, _ := math.Lgamma(float64(n) + 1)
	sum := 0.0
	for i := 0; i <= k; i++ {
		a, _ := math.Lgamma(float64(i) + 1)
		b, _ := math.Lgamma(float64(n-i) + 1)
		sum += math.Exp(logN - a - b + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return math.Min(sum, 1)
}
