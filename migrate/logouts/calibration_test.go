package logouts

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/census"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// simulated is one fleet: sessions that are read more or less often (Zipf), by
// any of several agents, of which some would be lost. Busy sessions are lost more
// rarely: what is written often is mirrored often.
type simulated struct {
	rng      *rand.Rand
	sessions []flags.Hash
	lost     []bool
	agents   []*census.Census
	read     []bool // since the verification
	now      time.Time
}

func simulate(seed uint64) *simulated {
	rng := rand.New(rand.NewPCG(seed, 17))
	s := &simulated{rng: rng, now: t0}
	n := 2_000 + rng.IntN(16_000)
	rate := []float64{0, .0005, .002, .01, .03}[rng.IntN(5)]
	for i := range n {
		var h flags.Hash
		for j := range h {
			h[j] = byte(rng.Uint32())
		}
		s.sessions = append(s.sessions, h)
		chance := rate
		if i < n/10 {
			chance /= 4
		}
		s.lost = append(s.lost, rng.Float64() < chance)
	}
	s.read = make([]bool, n)
	for range 1 + rng.IntN(5) {
		most := census.DefaultMost
		if rng.IntN(3) == 0 {
			most = 100 // so few fit that the share is halved, again and again
		}
		s.agents = append(s.agents, census.New(most))
	}
	return s
}

// taker decides whether a read is followed: by session, as the layer does.
type taker func(*simulated, *census.Census, flags.Hash) bool

func bySession(_ *simulated, c *census.Census, h flags.Hash) bool { return c.Takes(h) }

// byRequest is what would be wrong: a busy session has more chances to be taken.
// It takes one session in 64 in all, of those that are read.
func byRequest(s *simulated, _ *census.Census, _ flags.Hash) bool { return s.rng.IntN(64) == 0 }

// run lets clients read, and returns how many sessions would truly be lost.
func (s *simulated) run(takes taker) (truth int) {
	n := len(s.sessions)
	zipf := rand.NewZipf(s.rng, 1.1, 4, uint64(n-1))
	read := func(i int) {
		s.read[i] = true
		s.now = s.now.Add(time.Millisecond)
		c, h := s.agents[s.rng.IntN(len(s.agents))], s.sessions[i]
		if !takes(s, c, h) {
			return
		}
		if !census.Takes(h, census.Rate) { // by request: let the census hold it
			h[12], h[13] = 0, 0
		}
		if c.Seen(h, s.now, t0.Add(24*time.Hour)) {
			v := census.Kept
			if s.lost[i] {
				v = census.Lost
			}
			c.Judge(h, v, s.now)
		}
	}
	for range 2 * n {
		read(int(zipf.Uint64()))
	}
	for i := range n { // and most of those that are not busy, once
		if s.rng.IntN(10) > 0 {
			read(i)
		}
	}
	for i, lost := range s.lost {
		if lost && s.read[i] {
			truth++
		}
	}
	return truth
}

type calibrated struct {
	covered, below, above int
	widths                []float64 // of the interval, against the truth
}

func calibrate(fleets int, takes taker) (c calibrated) {
	for seed := range fleets {
		s := simulate(uint64(seed))
		truth := float64(s.run(takes))
		var samples []census.Sample
		for _, a := range s.agents {
			samples = append(samples, a.Sample(s.now))
		}
		e := Of(Merge(samples...), Verification{}, s.now)
		switch {
		case truth < e.Lower:
			c.below++
		case truth > e.Upper:
			c.above++
		default:
			c.covered++
		}
		if truth >= 200 {
			c.widths = append(c.widths, (e.Upper-e.Lower)/truth)
		}
	}
	slices.Sort(c.widths)
	return c
}

// TestCalibration: the interval holds what it says, through the census, the merge
// and the estimate as they are in use.
func TestCalibration(t *testing.T) {
	const fleets = 1000
	c := calibrate(fleets, bySession)
	median := c.widths[len(c.widths)/2]
	t.Logf("%d fleets: covered %.1f %%, truth below %d, above %d; median width %.2f times the truth, where at least 200 are lost (%d fleets)",
		fleets, 100*float64(c.covered)/fleets, c.below, c.above, median, len(c.widths))
	if c.covered < 93*fleets/100 {
		t.Errorf("the 95 %% interval covers the truth in %d of %d fleets", c.covered, fleets)
	}
	if median > 3 {
		t.Errorf("the interval is %.1f times as wide as the truth", median)
	}
}

// TestByRequest: the same with requests sampled instead of sessions must fail, or
// the calibration would see nothing.
func TestByRequest(t *testing.T) {
	const fleets = 200
	c := calibrate(fleets, byRequest)
	t.Logf("by request: covered %.1f %%, truth below %d, above %d", 100*float64(c.covered)/fleets, c.below, c.above)
	if c.covered >= 90*fleets/100 {
		t.Errorf("sampling by request covers the truth in %d of %d fleets: the calibration cannot tell", c.covered, fleets)
	}
}
