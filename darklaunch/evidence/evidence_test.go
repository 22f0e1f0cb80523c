package evidence

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// TestSets: the arrays are as long as what they count.
func TestSets(t *testing.T) {
	for _, s := range []struct {
		name      string
		got, want int
	}{
		{"classes", len(classes), nClasses}, {"purposes", len(purposes), nPurposes}, {"results", len(results), nResults},
		{"divergences", len(kinds), nKinds}, {"causes", len(causes), nCauses}, {"fallbacks", len(reasons), nReasons}, {"comparisons", len(looks), nLooks},
	} {
		if s.got != s.want {
			t.Errorf("%s: %d values for %d places", s.name, s.got, s.want)
		}
	}
}

// TestQuantile holds the histogram against a sorted list.
func TestQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h live
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(r.ExpFloat64() * float64(3*time.Millisecond))
		h.add(d)
		all = append(all, d)
	}
	slices.Sort(all)
	var got Histogram
	for i := range h {
		got[i] = h[i].Load()
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[max(int(q*float64(len(all)))-1, 0)]
		if d := got.Quantile(q); (d - want).Abs() > want/16+2*time.Microsecond {
			t.Errorf("quantile %v: got %v, want %v", q, d, want)
		}
	}
	if (&Histogram{}).Quantile(0.99) != 0 {
		t.Error("an empty histogram has a quantile")
	}
	for _, d := range []time.Duration{-time.Second, 0, time.Hour, 1<<63 - 1} {
		if b := bucket(d); b < 0 || b >= width {
			t.Errorf("%v falls into bucket %d of %d", d, b, width)
		}
	}
	for b := 1; b < width; b++ {
		if middle(b) <= middle(b-1) || bucket(middle(b)) != b {
			t.Fatalf("bucket %d: middle %v (before: %v) falls into %d", b, middle(b), middle(b-1), bucket(middle(b)))
		}
	}
}

// TestAddsUp: what two agents saw, on the wire and back, minus what the first saw
// before, is what happened since.
func TestAddsUp(t *testing.T) {
	a, b := New(), New()
	see := func(r *Recorder) {
		r.Request("redis", rules.Get, position.Mirror, "hit", time.Millisecond)
		r.Request("redis", rules.Set, position.Back, "error", time.Millisecond)
		r.StoreCall(rules.New, darklaunch.Read, darklaunch.Compare, 2*time.Millisecond)
		r.StoreCall(rules.New, darklaunch.Read, darklaunch.Copy, time.Second)
		r.StoreError(rules.New, true)
		r.StoreError(rules.New, false)
		r.Comparison("match")
		r.Comparison("differ")
		r.Divergence("value", "unknown")
		r.Divergence("missing_new", "before_mirror")
		r.Fallback("miss")
		r.MirrorDropped()
		r.LockConflict()
	}
	see(a)
	was := a.Read()
	see(a)
	see(a)
	see(b)
	data, err := json.Marshal(a.Read())
	if err != nil {
		t.Fatal(err)
	}
	sum := &Evidence{}
	if err := json.Unmarshal(data, sum); err != nil {
		t.Fatal(err)
	}
	sum.Less(was)
	sum.Add(b.Read())
	if all, failed := sum.Asked(); all != 6 || failed != 3 {
		t.Errorf("requests: got %d, %d failed, want 6 and 3", all, failed)
	}
	if p := sum.Positions; p[position.Mirror] != 3 || p[position.Back] != 3 || p[position.Off] != 0 {
		t.Errorf("by position: got %v, want 3 in mirror and 3 in back", p)
	}
	if got := sum.Diverged("missing_new"); got != 3 || sum.Diverged("flags") != 0 {
		t.Errorf("missing_new: got %d, want 3, and no flags", got)
	}
	if all, errs, late := sum.Called(rules.New); all != 6 || errs != 3 || late != 3 {
		t.Errorf("calls to new: got %d, %d, %d, want 6, 3, 3", all, errs, late)
	}
	if all, _, _ := sum.Called(rules.Old); all != 0 {
		t.Errorf("calls to old: got %d, want 0", all)
	}
	h := sum.Took(rules.New, darklaunch.Read)
	if p := h.Quantile(0.99); h.Count() != 3 || p > 3*time.Millisecond {
		t.Errorf("reads of new: got %d, p99 %v, want 3 without the copies, some 2ms", h.Count(), p)
	}
	if all, differ := sum.Compared(); all != 6 || differ != 3 {
		t.Errorf("comparisons: got %d, %d differ, want 6, 3", all, differ)
	}
	if sum.FellBack() != 3 || sum.Dropped != 3 || sum.Conflicts != 3 {
		t.Errorf("got %d fallbacks, %d dropped, %d conflicts, want 3 of each", sum.FellBack(), sum.Dropped, sum.Conflicts)
	}
}

// TestNoAllocation: noting is on the way of each request.
func TestNoAllocation(t *testing.T) {
	r := Both(New(), New())
	if n := testing.AllocsPerRun(100, func() {
		r.Request("redis", rules.Get, position.Mirror, "hit", time.Millisecond)
		r.StoreCall(rules.New, darklaunch.Read, darklaunch.Request, time.Millisecond)
		r.StoreError(rules.New, false)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
