package flags

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// costly is a revision as it is in the middle of a migration.
func costly(t testing.TB) *Snapshot {
	d := Definition{Migration: "sessions", Epoch: 9, CutoverFloor: 500, Default: position.ReadNew}
	d.Weights = Weights{position.Cutover: 500, position.ReadNew: 4500, position.Fenced: 5000}
	return mustCompile(t, d)
}

var (
	phpID    = []byte("q9pr2r6v3vsl9c1n2v3hm1b7gd") // 26 bytes, PHP's default
	sinkD    Decision
	sinkSum  [sha256.Size]byte
	sinkHash Hash
)

func TestNoAllocation(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates; run without -race")
	}
	h, s := testHasher(t), costly(t)
	src := NewStatic(s)
	pinned := costly(t).Definition()
	pinned.Pins = map[Hash]position.Position{h.Sum(phpID): position.Mirror}
	withPins := mustCompile(t, pinned)
	id := string(phpID)
	for name, f := range map[string]func(){
		"Sum":             func() { sinkHash = h.Sum(phpID) },
		"SumString":       func() { sinkHash = h.SumString(id) },
		"Decide":          func() { sinkD = s.Decide(sinkHash) },
		"Decide, pinned":  func() { sinkD = withPins.Decide(sinkHash) },
		"Decide, live":    func() { sinkD = src.Decide(sinkHash) },
		"ParseHash":       func() { sinkHash, _ = ParseHash("0123456789abcdef0123456789abcdef") },
		"Current, Epoch":  func() { _ = src.Current().Epoch() },
		"Bucket and Spot": func() { _ = s.Bucket(sinkHash) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

// TestCostOfDeciding holds hash and decision to 2.5 times the one SHA-256 that
// they cannot do without. The two are timed in turns and the best round of
// each counts, so that a busy machine slows both or neither.
func TestCostOfDeciding(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector changes what is measured; run without -race")
	}
	h, src := testHasher(t), NewStatic(costly(t))
	same := append(append([]byte{}, h.key[:]...), phpID...)
	const n, rounds, most = 4000, 40, 2.5
	best := func(was time.Duration, f func()) time.Duration {
		start := time.Now()
		for range n {
			f()
		}
		return min(was, time.Since(start))
	}
	var ratio float64
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		alone, whole := time.Hour, time.Hour
		for range rounds {
			alone = best(alone, func() { sinkSum = sha256.Sum256(same) })
			whole = best(whole, func() { sinkD = src.Decide(h.Sum(phpID)) })
		}
		ratio = float64(whole) / float64(alone)
		t.Logf("sha256 %v, hash and decide %v: %.2f times", alone/n, whole/n, ratio)
		if ratio <= most {
			return
		}
	}
	t.Errorf("hash and decision cost %.2f times the SHA-256 of the same bytes, want at most %v", ratio, most)
}

func BenchmarkDecide(b *testing.B) {
	h, s := testHasher(b), costly(b)
	same := append(append([]byte{}, h.key[:]...), phpID...)
	hash := h.Sum(phpID)
	b.Run("sha256 of the same bytes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkSum = sha256.Sum256(same)
		}
	})
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkHash = h.Sum(phpID)
		}
	})
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkD = s.Decide(hash)
		}
	})
	b.Run("hash and decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkD = s.Decide(h.Sum(phpID))
		}
	})
}
