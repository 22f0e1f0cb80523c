package flags

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

var update = flag.Bool("update", false, "rewrite golden files")

// full is a definition in which everything is set.
func full(t testing.TB) Definition {
	h := testHasher(t)
	return Definition{
		Migration: "shop-sessions", Bucketing: "shop-2026", Epoch: 17, Default: position.ReadNew,
		Weights:      Weights{position.Cutover: 250, position.Sealed: 250, position.ReadNew: 4500, position.Fenced: 5000},
		CutoverFloor: 300, Settled: 2500, DeclaredDown: OldDown, KeepOld: true,
		Pins: map[Hash]position.Position{h.SumString("one"): position.Mirror, h.SumString("two"): position.Off},
	}
}

// TestGolden: the bytes are stable, flagd-shaped, and survive a round trip.
func TestGolden(t *testing.T) {
	for name, d := range map[string]Definition{"off": allAt(position.Off), "full": full(t)} {
		got, err := d.MarshalFlagd()
		if err != nil {
			t.Fatal(err)
		}
		path := "testdata/" + name + ".golden.json"
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: run with -update", err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s; run with -update if that is meant:\n%s", name, path, got)
		}
		s, err := Parse(got)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if back := s.Definition(); !reflect.DeepEqual(back, d) {
			t.Errorf("%s came back as %+v, want %+v", name, back, d)
		}
		// flagd's schema wants metadata flat (json/flags.json, "metadata").
		var file struct{ Metadata map[string]any }
		if err := json.Unmarshal(got, &file); err != nil {
			t.Fatal(err)
		}
		for k, v := range file.Metadata {
			switch v.(type) {
			case string, float64, bool:
			default:
				t.Errorf("metadata %s is a %T: flagd's schema takes strings, numbers and booleans", k, v)
			}
		}
	}
}

// TestParseRefuses edits a good file; each edit must be refused with the place
// and with what is accepted there.
func TestParseRefuses(t *testing.T) {
	good, err := full(t).MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	pin := "pin." + testHasher(t).SumString("one").String()
	tests := []struct {
		name     string
		from, to string
		want     []string // all of these are in the error
	}{
		{"unknown variant in fractional", `["sealed", 250]`, `["seeled", 250]`, []string{"line 21", "/flags/crossfade-stage/targeting/fractional/3/0", "seeled", "sealed"}},
		{"sum too low", `["sealed", 250]`, `["sealed", 249]`, []string{"/flags/crossfade-stage/targeting/fractional", "9999", "10000"}},
		{"negative weight", `["sealed", 250]`, `["sealed", -250]`, []string{"fractional/3/1", "-250", "0 to 10000"}},
		{"weight with a fraction", `["sealed", 250]`, `["sealed", 250.0]`, []string{"fractional/3/1", "integer"}},
		{"weight as text", `["sealed", 250]`, `["sealed", "250"]`, []string{"fractional/3/1", "integer"}},
		{"pair too long", `["sealed", 250]`, `["sealed", 250, 1]`, []string{"fractional/3", `["sealed", weight]`}},
		{"wrong order", `["sealed", 250],` + "\n          " + `["read-new", 4500]`, `["read-new", 4500],` + "\n          " + `["sealed", 250]`,
			[]string{"fractional/3/0", "read-new where sealed stands", "cutover, back, sealed"}},
		{"one left out", `["back", 0],`, ``, []string{"6 variants", "all seven"}},
		{"missing epoch", `"epoch": 17,`, ``, []string{"/metadata", "epoch is missing"}},
		{"epoch zero", `"epoch": 17`, `"epoch": 0`, []string{"/metadata/epoch", "integer of 1"}},
		{"epoch past 2^53", `"epoch": 17`, `"epoch": 9007199254740992`, []string{"/metadata/epoch"}},
		{"unknown metadata", `"settled"`, `"setled": 1, "settled"`, []string{"/metadata/setled", "unknown key", "settled"}},
		{"bad migration", `"shop-sessions"`, `"Shop"`, []string{"/metadata/migration", "a-z"}},
		{"disabled", `ENABLED`, `DISABLED`, []string{"/flags/crossfade-stage/state", "ENABLED"}},
		{"default off", `"defaultVariant": "read-new"`, `"defaultVariant": "off"`, []string{"defaultVariant", "last known stage is fenced"}},
		{"default unknown", `"defaultVariant": "read-new"`, `"defaultVariant": null`, []string{"defaultVariant", "unknown variant"}},
		{"variant with another value", `"mirror": "mirror"`, `"mirror": "fenced"`, []string{"variants/mirror", `"mirror"`}},
		{"another flag", `"flags": {`, `"flags": { "other": {},`, []string{"/flags/other", "crossfade-stage"}},
		{"bucketing of metadata differs", `"bucketing": "shop-2026"`, `"bucketing": ""`, []string{"/metadata/bucketing", "shop-2026"}},
		{"cat of another variable", `"targetingKey"`, `"email"`, []string{"fractional/0", "targetingKey"}},
		{"floor below cutover", `"cutover_floor": 300`, `"cutover_floor": 249`, []string{"/metadata/cutover_floor", "250"}},
		{"settled past read-new", `"settled": 2500`, `"settled": 5001`, []string{"/metadata/settled", "5000"}},
		{"unknown store", `"declared_down": "old"`, `"declared_down": "both"`, []string{"/metadata/declared_down", `"old"`}},
		{"keep_old as text", `"keep_old": true`, `"keep_old": "true"`, []string{"/metadata/keep_old", "true and false"}},
		{"pin at no position", pin + `": "mirror"`, pin + `": "mirrored"`, []string{"/metadata/pin.", "mirrored"}},
		{"pin of no hash", pin, "pin.secret-session-id", []string{"line 39", "32 lower-case hex"}},
		{"pin above the floor", pin + `": "mirror"`, pin + `": "cutover"`, []string{"/metadata/" + pin, "below the floor"}},
		{"key twice", `"settled": 2500`, `"settled": 2500, "settled": 2500`, []string{"/metadata/settled", "twice"}},
		{"no JSON", `"metadata": {`, `"metadata": `, []string{"not JSON"}},
		{"cut off", "\n  }\n}\n", "", []string{"too early"}},
		{"something follows", "\n  }\n}\n", "\n  }\n} {}", []string{"follows"}},
		{"flags is a list", `"flags": {`, `"flags": [], "x": {`, []string{"/flags", "object"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if n := strings.Count(string(good), tt.from); n < 1 {
				t.Fatalf("%q is not in the file", tt.from)
			}
			_, err := Parse([]byte(strings.Replace(string(good), tt.from, tt.to, 1)))
			var pe *ProblemError
			if !errors.As(err, &pe) {
				t.Fatalf("got %v, want a ProblemError", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not tell %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "secret-session-id") {
				t.Errorf("the error shows what may be a session id: %v", err)
			}
			for _, p := range pe.Problems {
				if p.Line < 1 {
					t.Errorf("no line in %v", p)
				}
			}
		})
	}
	if _, err := Parse(make([]byte, MaxFile+1)); err == nil {
		t.Error("a file that is too large was read")
	}
}

// TestParseReportsAll: three mistakes, three problems, in the file's order.
func TestParseReportsAll(t *testing.T) {
	good, _ := full(t).MarshalFlagd()
	bad := strings.NewReplacer("ENABLED", "ON", `"epoch": 17`, `"epoch": -1`, `["off", 0]`, `["off", 1.5]`).Replace(string(good))
	_, err := Parse([]byte(bad))
	var pe *ProblemError
	if !errors.As(err, &pe) || len(pe.Problems) != 3 {
		t.Fatalf("got %v, want three problems", err)
	}
	for i, want := range []string{"state", "fractional/7/1", "epoch"} {
		if !strings.Contains(pe.Problems[i].Pointer, want) {
			t.Errorf("problem %d is at %s, want %s", i, pe.Problems[i].Pointer, want)
		}
	}
}

// FuzzParse: no input panics, and what is taken is written and read again as
// the same definition.
func FuzzParse(f *testing.F) {
	for _, d := range []Definition{allAt(position.Off), full(f)} {
		b, _ := d.MarshalFlagd()
		f.Add(b)
	}
	f.Add([]byte(`{"flags":{"crossfade-stage":[]},"metadata":{"pin.":0}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		out, err := s.Definition().MarshalFlagd()
		if err != nil {
			t.Fatalf("taken and not written: %v", err)
		}
		again, err := Parse(out)
		if err != nil || !reflect.DeepEqual(again.Definition(), s.Definition()) {
			t.Fatalf("round trip: %v", err)
		}
	})
}
