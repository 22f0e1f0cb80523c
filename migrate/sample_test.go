package migrate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

func TestShareOf(t *testing.T) {
	for _, tt := range []struct {
		k, n      int64
		low, high float64
	}{ // R: binom::binom.wilson
		{0, 0, 0, 1}, {0, 1000, 0, 0.003827}, {10, 1000, 0.005441, 0.018310}, {5, 10, 0.236593, 0.763407}, {10, 10, 0.722467, 1},
	} {
		s := shareOf(tt.k, tt.n)
		if math.Abs(s.Low-tt.low) > 1e-5 || math.Abs(s.High-tt.high) > 1e-5 {
			t.Errorf("%d of %d: got %.6f to %.6f, want %.6f to %.6f", tt.k, tt.n, s.Low, s.High, tt.low, tt.high)
		}
	}
}

// TestSampledVerification: it looks at about its share, the same sessions in
// both directions and in each run, its bounds hold what is true, and it opens
// nothing.
func TestSampledVerification(t *testing.T) {
	const n, bad, left = 4000, 400, 400
	r := newRig(t, 1)
	for i := range n {
		r.put(r.old, ref(fmt.Sprintf("s%d", i)).OldKey(), "data")
	}
	r.ramp("mirror", 100)
	r.backfill()
	ctx := WithSample(context.Background(), 0.2)
	plant := func() {
		for i := range bad {
			r.put(r.new, ref(fmt.Sprintf("s%d", i)).NewKey(), "stale")
			r.put(r.new, ref(fmt.Sprintf("left%d", i)).NewKey(), "left over")
		}
	}
	var found []int64
	for range 2 {
		plant()
		rep, err := r.m.Verify(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		of := float64(rep.Sessions) / (n + left)
		if of < 0.16 || of > 0.24 || rep.Sample != 0.2 || rep.Apart == 0 {
			t.Errorf("looked at %.3f of the sessions, want about 0.2: %+v", of, rep)
		}
		truth := float64(bad+left) / (n + left)
		if d := rep.Differ; d == nil || d.Low > truth || d.High < truth || d.High-d.Low > 0.1 {
			t.Errorf("got %+v, want bounds around %.4f", d, truth)
		}
		found = append(found, rep.Differences["value"], rep.Differences["missing_old"])
	}
	if found[0] != found[2] || found[1] != found[3] || found[0] == 0 || found[1] == 0 {
		t.Errorf("two runs found %v: not the same sessions", found)
	}
	_, err := r.m.Ramp(context.Background(), "read-new", 100, nil)
	var no *Refusal
	if !errors.As(err, &no) || no.Gate != GateVerified || !strings.Contains(no.Found, "20 % of the sessions") {
		t.Errorf("read-new after a sample: got %v, want a refusal that says so", err)
	}
	// One of all finds the rest, and opens it.
	if rep := r.verify(); rep.Differences["value"]+found[0] != bad || rep.Differ != nil {
		t.Errorf("of all: got %v, want the %d that are left", rep.Differences, bad-found[0])
	}
	r.ramp("read-new", 100)
}

// TestCauses: each difference is put down to what must have been the same before.
func TestCauses(t *testing.T) {
	stale := func(r *rig) {
		r.put(r.new, ref("a").NewKey(), "stale")
		ctx := context.Background()
		s, _, err := r.new.Get(ctx, ref("a").NewKey())
		if err != nil {
			t.Fatal(err)
		}
		s.Deadline = s.Deadline.Add(-5e9) // it was written before
		if err := r.new.Set(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name         string
		class, cause string
		do           func(r *rig)
	}{
		{"nothing copied yet", "missing_new", CauseBeforeMirror, func(r *rig) {}},
		{"copied, not verified, old is newer", "value", CauseLostWrite, func(r *rig) { r.backfill(); stale(r) }},
		{"copied, and missing", "missing_new", CauseLostWrite, func(r *rig) { r.backfill(); r.new.Delete(context.Background(), ref("a").NewKey()) }},
		{"verified, then changed", "value", CauseBypass, func(r *rig) { r.backfill(); r.verify(); stale(r) }},
		{"verified, then missing", "missing_new", CauseUnknown, func(r *rig) { r.backfill(); r.verify(); r.new.Delete(context.Background(), ref("a").NewKey()) }},
		{"left over", "missing_old", CauseUnknown, func(r *rig) { r.backfill(); r.put(r.new, ref("b").NewKey(), "left over") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1)
			r.ramp("mirror", 100)
			if _, err := r.m.fenced(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			if err := r.old.Set(context.Background(), backends.Session{Key: ref("a").OldKey(), Data: []byte("data"), Deadline: time.Now().Add(30 * time.Minute)}); err != nil {
				t.Fatal(err)
			}
			tt.do(r)
			rep := r.verify()
			if got := rep.Causes[tt.class]; len(rep.Causes) != 1 || len(got) != 1 || got[tt.cause] != 1 {
				t.Errorf("got %v, want one %s by %s", rep.Causes, tt.class, tt.cause)
			}
		})
	}
}
