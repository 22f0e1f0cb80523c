package flags

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

func testHasher(t testing.TB) *Hasher {
	t.Helper()
	key := make([]byte, KeySize)
	for i := range key {
		key[i] = byte(i)
	}
	h, err := NewHasher(key)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// seeds are the bucketing ids of the vectors: the default and one for every
// length of murmur3's tail.
var seeds = [6]string{"", "b", "ab", "abc", "abcd", "sessions-2026.11"}

// vectors were made by testdata/vectors.py, which shares no code with this
// package. They are frozen: a change of any number moves live sessions.
var vectors = []struct {
	id      string
	hash    string
	buckets [6]int // by seeds
}{
	{"", "630dcd2966c4336691125448bbb25b4f", [6]int{2197, 5419, 4402, 4455, 1741, 6208}},
	{"a", "a262b83ad720aa00dc493d8c355ad407", [6]int{8825, 5329, 9120, 2997, 3546, 1310}},
	{"q9pr2r6v3vsl9c1n2v3hm1b7gd", "67dd3293b08428f30b0a18f11832d49f", [6]int{4854, 5731, 7334, 2880, 5838, 4470}},
	{"tj0g5j8vrrp6m9nkhkfo6bk2lb", "09579135fe61eea9a20ae71134cc8c46", [6]int{5116, 8170, 3707, 2729, 4720, 2739}},
	{"sess:42", "c6baf1b464990c4738cc1003de32daad", [6]int{6396, 5983, 2154, 9269, 1742, 6041}},
	{"0123456789abcdef0123456789abcdef", "c33791e94ef8e5058079931890e4122a", [6]int{7769, 6801, 583, 2887, 6980, 388}},
	{"naïve,ünïcode", "faca51e11a7fc051575e48d32abe87e7", [6]int{801, 4879, 3810, 9118, 5016, 6098}},
	{strings.Repeat("x", 250), "12c13fe61d0002d0cbf1ad4f1be1e218", [6]int{381, 8515, 2278, 4506, 6573, 1107}},
	{strings.Repeat("y", 300), "f3e09377d66deb789feb4a5221fffdf9", [6]int{7420, 2471, 8684, 7253, 3025, 8411}},
}

func TestVectors(t *testing.T) {
	h := testHasher(t)
	for _, v := range vectors {
		hash := h.SumString(v.id)
		if got := hash.String(); got != v.hash {
			t.Errorf("hash of an id of %d bytes = %s, want %s", len(v.id), got, v.hash)
		}
		if got := h.Sum([]byte(v.id)); got != hash {
			t.Errorf("Sum and SumString differ for an id of %d bytes", len(v.id))
		}
		parsed, err := ParseHash(v.hash)
		if err != nil || parsed != hash {
			t.Errorf("ParseHash(%q) = %v, %v", v.hash, parsed, err)
		}
		for i, seed := range seeds {
			d := allAt(position.Mirror)
			d.Bucketing = seed
			if got := mustCompile(t, d).Bucket(hash); got != v.buckets[i] {
				t.Errorf("bucket of %s with bucketing %q = %d, want %d", v.hash, seed, got, v.buckets[i])
			}
		}
	}
}

// allAt is a definition with every session in one position.
func allAt(p position.Position) Definition {
	d := Definition{Migration: "sessions", Epoch: 1, Default: p}
	d.Weights[p] = Buckets
	if p == position.Cutover || p == position.Back {
		d.CutoverFloor = Buckets
	}
	return d
}

func mustCompile(t testing.TB, d Definition) *Snapshot {
	t.Helper()
	s, err := d.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDistribution: 100,000 sessions fall on the ramp as its percentages say.
func TestDistribution(t *testing.T) {
	const n = 100_000
	h := testHasher(t)
	d := Definition{Migration: "sessions", Epoch: 1, CutoverFloor: 1000, Default: position.ReadNew}
	d.Weights = Weights{position.Cutover: 100, position.ReadNew: 2400, position.Fenced: 2500, position.Mirror: 2500, position.Off: 2500}
	s := mustCompile(t, d)
	var got [position.Count]int
	tenths := [10]int{}
	for i := range n {
		dec := s.Decide(h.SumString(fmt.Sprintf("session-%d", i)))
		got[dec.Position]++
		tenths[int(dec.Bucket)/1000]++
	}
	for p, w := range d.Weights {
		want := w * n / Buckets
		if diff := got[p] - want; diff < -600 || diff > 600 { // more than four standard deviations
			t.Errorf("%v holds %d of %d sessions, want %d ± 600", position.Position(p), got[p], n, want)
		}
	}
	for i, c := range tenths {
		if c < 9500 || c > 10500 {
			t.Errorf("buckets %d to %d hold %d sessions, want 10000 ± 500", i*1000, i*1000+999, c)
		}
	}
}

// TestGrowingRampIsMonotone: as a ramp grows, no session moves back and none
// leaves the cohort that it is in.
func TestGrowingRampIsMonotone(t *testing.T) {
	h := testHasher(t)
	var hashes []Hash
	for i := range 20_000 {
		hashes = append(hashes, h.SumString(fmt.Sprintf("session-%d", i)))
	}
	rank := [position.Count]int{} // place on the Ladder, the least advanced first
	for i, p := range Ladder {
		rank[p] = len(Ladder) - i
	}
	last := make([]position.Position, len(hashes))
	moved := 0
	for _, r := range []Ramp{{}, {Mirror: 1}, {Mirror: 100}, {Mirror: 5000}, {Mirror: 10000}, {10000, 100, 0}, {10000, 2500, 0},
		{10000, 2500, 1}, {10000, 10000, 1}, {10000, 10000, 3333}, {10000, 10000, 10000}} {
		w, err := r.Weights(position.Mirror)
		if err != nil {
			t.Fatal(err)
		}
		s := mustCompile(t, Definition{Migration: "sessions", Epoch: 1, Weights: w, Default: DefaultOf(w), CutoverFloor: r.Cutover})
		for i, hash := range hashes {
			p := s.Decide(hash).Position
			if rank[p] < rank[last[i]] {
				t.Fatalf("ramp %+v: session %d went back from %v to %v", r, i, last[i], p)
			}
			if p != last[i] {
				moved++
			}
			last[i] = p
		}
	}
	if moved < 3*len(hashes) {
		t.Errorf("%d moves of %d sessions: the test did not ramp", moved, len(hashes))
	}
}

func TestHasherKeepsItsKey(t *testing.T) {
	h := testHasher(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, h); got != "<secret>" {
			t.Errorf("%s prints %q", format, got)
		}
	}
	other, err := NewHasher(make([]byte, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := h.Digest(), other.Digest(); a == b || len(a) != 32 {
		t.Errorf("digests %q and %q: want two of 32 digits", a, b)
	}
	if _, err := NewHasher(make([]byte, 31)); err == nil {
		t.Error("a key of 31 bytes was taken")
	}
}

func TestParseHashRefuses(t *testing.T) {
	for _, s := range []string{"", "abc", strings.Repeat("A", 32), strings.Repeat("g", 32), strings.Repeat("0", 33), "q9pr2r6v3vsl9c1n2v3hm1b7gdabcdef"} {
		_, err := ParseHash(s)
		if err == nil {
			t.Errorf("ParseHash(%q) gave no error", s)
		} else if s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("the error shows what it refuses: %v", err)
		}
	}
}
