package kinds_test

import (
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// TestUsual: every key says which flags its kind usually has.
func TestUsual(t *testing.T) {
	set, err := kinds.Compile([]kinds.Kind{{Name: "php", Keys: []string{"s.{id: [a-z]+}"}, Locks: []string{"l.{id}"}, NewKey: "n.{id}", Flags: 768}})
	if err != nil {
		t.Fatal(err)
	}
	old, _ := set.FromOld("s.a")
	newer, _ := set.FromNew("n.a")
	client, _ := set.ResolveString("s.a")
	for _, r := range append(set.ByID("a"), old, newer, client) {
		if r.OldKey().Usual != 768 || r.NewKey().Usual != 768 {
			t.Errorf("%s: got %d and %d, want 768", r.Name(), r.OldKey().Usual, r.NewKey().Usual)
		}
	}
}
