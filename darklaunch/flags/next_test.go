package flags

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestNextBetweenPositions tries every pair: a fleet that is all in a may go to
// b exactly where the two are equal or adjacent.
func TestNextBetweenPositions(t *testing.T) {
	for _, a := range position.All() {
		for _, b := range position.All() {
			da, db := allAt(a), allAt(b)
			db.Epoch = 2
			db.CutoverFloor = max(da.CutoverFloor, db.CutoverFloor)
			err := mustCompile(t, da).Next(mustCompile(t, db))
			if got, want := err == nil, position.Together(a, b); got != want {
				t.Errorf("%v to %v: %v, want allowed %v", a, b, err, want)
			}
			if err != nil && !errors.Is(err, ErrAdjacent) {
				t.Errorf("%v to %v: %v, want ErrAdjacent", a, b, err)
			}
		}
	}
}

func TestNext(t *testing.T) {
	h := testHasher(t)
	pinned := h.SumString("one") // bucket is above 1000, see below
	base := Definition{Migration: "sessions", Epoch: 5, Default: position.ReadNew, CutoverFloor: 100, Settled: 4000,
		Weights: Weights{position.Cutover: 100, position.ReadNew: 4900, position.Fenced: 5000}}
	if b := mustCompile(t, base).Bucket(pinned); b < 5000 {
		t.Fatalf("bucket %d: choose another id", b)
	}
	tests := []struct {
		name   string
		before func(*Definition)
		after  func(*Definition)
		want   error
		text   string
	}{
		{"only the epoch", nil, nil, nil, ""},
		{"same epoch", nil, func(d *Definition) { d.Epoch = 5 }, ErrEpoch, "both are 5"},
		{"same epoch, other content", nil, func(d *Definition) { d.Epoch = 5; d.KeepOld = true }, ErrEpoch, "differ"},
		{"epoch falls", nil, func(d *Definition) { d.Epoch = 4 }, ErrEpoch, "older file"},
		{"epoch skips", nil, func(d *Definition) { d.Epoch = 50 }, nil, ""},
		{"other migration", nil, func(d *Definition) { d.Migration = "carts" }, ErrIdentity, "carts"},
		{"other bucketing", nil, func(d *Definition) { d.Bucketing = "b" }, ErrIdentity, "every session would move"},
		{"floor shrinks", nil, func(d *Definition) {
			d.Weights = w(position.Back, 50, position.ReadNew, 4950, position.Fenced, 5000)
			d.CutoverFloor = 50
		}, ErrFloor, "100"},
		{"floor grows", nil, func(d *Definition) { d.CutoverFloor = 200 }, nil, ""},
		{"cutover grows past sealed", nil, func(d *Definition) {
			d.Weights = w(position.Cutover, 101, position.ReadNew, 4899, position.Fenced, 5000)
			d.CutoverFloor = 101
		},
			ErrAdjacent, "buckets 100 to 100 would go from read-new to cutover: go by sealed"},
		{"seal what is settled", nil, func(d *Definition) {
			d.Weights = w(position.Cutover, 100, position.Sealed, 100, position.ReadNew, 4800, position.Fenced, 5000)
		},
			ErrSettled, "buckets 100 to 199 are settled"},
		{"seal what is not", func(d *Definition) { d.Settled = 0 }, func(d *Definition) {
			d.Settled = 0
			d.Weights = w(position.Cutover, 100, position.Sealed, 100, position.ReadNew, 4800, position.Fenced, 5000)
		}, nil, ""},
		{"read-new falls below settled", func(d *Definition) { d.Settled = 5000 }, func(d *Definition) {
			d.Weights = w(position.Cutover, 100, position.ReadNew, 4000, position.Fenced, 5900)
			d.Settled = 4100
		},
			ErrSettled, "buckets 4100 to 4999 are settled in read-new and would go to fenced"},
		{"settled on arrival", nil, func(d *Definition) {
			d.Weights = w(position.Cutover, 100, position.ReadNew, 5900, position.Fenced, 4000)
			d.Settled = 6000
		},
			ErrSettled, "arriving from fenced"},
		{"settled grows behind read-new", nil, func(d *Definition) { d.Settled = 5000 }, nil, ""},
		{"one bucket jumps far", nil, func(d *Definition) {
			d.Weights = w(position.Cutover, 100, position.ReadNew, 4900, position.Fenced, 4999, position.Off, 1)
		},
			ErrAdjacent, "buckets 9999 to 9999 would go from fenced to off: go by mirror"},
		{"pin beside the bucket", nil, pin(pinned, position.Mirror), nil, ""},
		{"pin too far", nil, pin(pinned, position.Off), ErrAdjacent, "pinned session " + pinned.String()},
		{"pin let go beside", pin(pinned, position.Mirror), nil, nil, ""},
		{"pin let go too far", pin(pinned, position.Off), nil, ErrAdjacent, "would go from off to fenced"},
		{"pin goes on", pin(pinned, position.Off), pin(pinned, position.Mirror), nil, ""},
		{"pin jumps", pin(pinned, position.Off), pin(pinned, position.Fenced), ErrAdjacent, "from off to fenced"},
		{"old declared down", nil, func(d *Definition) { d.DeclaredDown = OldDown }, nil, ""},
		{"other store declared down", func(d *Definition) { d.DeclaredDown = OldDown }, func(d *Definition) { d.DeclaredDown = NewDown }, ErrDown, "one step"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := base, base
			b.Epoch = 6
			if tt.before != nil {
				tt.before(&a)
			}
			if tt.after != nil {
				tt.after(&b)
			}
			err := mustCompile(t, a).Next(mustCompile(t, b))
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%q does not tell %q", err, tt.text)
			}
		})
	}
}

// w makes weights from pairs of position and weight.
func w(pairs ...any) Weights {
	var out Weights
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(position.Position)] = pairs[i+1].(int)
	}
	return out
}

func pin(h Hash, p position.Position) func(*Definition) {
	return func(d *Definition) { d.Pins = map[Hash]position.Position{h: p} }
}

// TestResume: an agent that begins again may find that the fleet has gone on by
// more than one position, and never that it went back in time.
func TestResume(t *testing.T) {
	a, b := allAt(position.Mirror), allAt(position.Cutover)
	b.Epoch = 9
	sa, sb := mustCompile(t, a), mustCompile(t, b)
	if err := sa.Resume(sb); err != nil {
		t.Errorf("mirror to cutover over a restart: %v", err)
	}
	if err := sa.Resume(sa); err != nil {
		t.Errorf("the same revision: %v", err)
	}
	if err := sb.Resume(sa); !errors.Is(err, ErrEpoch) {
		t.Errorf("an older revision: %v, want ErrEpoch", err)
	}
}

// TestEveryBucketIsCompared changes one bucket at a time, at every edge of a
// ramp, and looks for the refusal: comparing stretches must miss none.
func TestEveryBucketIsCompared(t *testing.T) {
	for _, at := range []int{1, 2, 4999, 5000, 5001, 9998, 9999} {
		a, b := allAt(position.Mirror), allAt(position.Mirror)
		a.Weights = w(position.Mirror, at, position.Off, Buckets-at)
		b.Weights = w(position.Fenced, at+1, position.Mirror, 0, position.Off, Buckets-at-1)
		b.Default, b.Epoch = position.Fenced, 2
		err := mustCompile(t, a).Next(mustCompile(t, b))
		if want := fmt.Sprintf("buckets %d to %d would go from off to fenced: go by mirror", at, at); !errors.Is(err, ErrAdjacent) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestRampAndPercent(t *testing.T) {
	r := Ramp{Mirror: 10000, ReadNew: 2500, Cutover: 100}
	wts, err := r.Weights(position.Fenced)
	if err != nil {
		t.Fatal(err)
	}
	if want := w(position.Cutover, 100, position.ReadNew, 2400, position.Fenced, 7500); wts != want {
		t.Errorf("weights %v, want %v", wts, want)
	}
	if got := wts.Ramp(); got != r {
		t.Errorf("ramp came back as %+v, want %+v", got, r)
	}
	if got := wts.Ends(); got[position.Cutover] != 100 || got[position.Back] != 100 || got[position.ReadNew] != 2500 || got[position.Off] != 10000 {
		t.Errorf("ends %v", got)
	}
	for _, bad := range []Ramp{{Mirror: 10001}, {ReadNew: 1}, {Mirror: 5, ReadNew: 4, Cutover: 5}, {Cutover: -1}} {
		if _, err := bad.Weights(position.Mirror); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	for text, want := range map[string]int{"0": 0, "100": 10000, "12.5": 1250, "0.01": 1, "99.99%": 9999, "7%": 700, "1.20": 120} {
		got, err := Percent(text)
		if err != nil || got != want {
			t.Errorf("Percent(%q) = %d, %v, want %d", text, got, err, want)
		}
		if back, err := Percent(PercentText(want)); err != nil || back != want {
			t.Errorf("%d does not survive its text %q", want, PercentText(want))
		}
	}
	for _, text := range []string{"", "%", ".", ".5", "1.", "1.234", "100.01", "-1", "+1", "1e1", "0x1", " 1", "1 %", "1000", "½"} {
		if got, err := Percent(text); err == nil {
			t.Errorf("Percent(%q) = %d, want an error", text, got)
		}
	}
}
