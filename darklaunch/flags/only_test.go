package flags

import (
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestOnly: mirror on some agents alone survives the file, is off for all others,
// and is refused where a session is further.
func TestOnly(t *testing.T) {
	d := Definition{Migration: "test", Epoch: 1, Only: []string{"web-1", "web-2"}}
	d.Weights[position.Mirror], d.Weights[position.Off] = 4_000, 6_000
	d.Default = DefaultOf(d.Weights)
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.For("web-9").Definition().MarshalFlagd(); err != nil || string(again) != string(data) {
		t.Errorf("what an agent keeps is another revision: %v\n%s", err, again)
	}
	for agent, mirrors := range map[string]bool{"web-1": true, "web-2": true, "web-9": false, "": false} {
		n := 0
		for b := range uint32(Buckets) {
			switch at := s.For(agent).decideBucket(b).Position; at {
			case position.Mirror:
				n++
			case position.Off:
			default:
				t.Fatalf("%s: bucket %d in %v", agent, b, at)
			}
		}
		if want := map[bool]int{true: 4_000, false: 0}[mirrors]; n != want {
			t.Errorf("agent %q mirrors %d buckets, want %d", agent, n, want)
		}
		if s.For(agent).Holds(position.Mirror) != mirrors {
			t.Errorf("agent %q: Holds", agent)
		}
	}
	further := d
	further.Weights[position.Mirror], further.Weights[position.Fenced] = 0, 4_000
	further.Default = DefaultOf(further.Weights)
	for _, bad := range []Definition{further, with(d, "b", "a"), with(d, "a", "a"), with(d, "a b")} {
		if _, err := bad.Compile(); err == nil || !strings.Contains(err.Error(), "/metadata/only") {
			t.Errorf("%v in %v: got %v", bad.Only, bad.Weights, err)
		}
	}
}

func with(d Definition, only ...string) Definition { d.Only = only; return d }
