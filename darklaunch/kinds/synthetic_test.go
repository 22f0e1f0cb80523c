package kinds

import (
	"slices"
	"testing"
)

// TestSynthetic: ids fit the kind, wherever they are met, are never the same, and
// no other id is taken for one.
func TestSynthetic(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kind  Kind
		other string // an id of the kind
		none  bool
	}{
		{"PHP", Kind{Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"}, Locks: []string{"memc.sess.key.lock.{id}"}, NewKey: "PHPREDIS_SESSION:{id}", NewLock: "PHPREDIS_SESSION:{id}_LOCK"}, "q9pr2r6v3vsl9c1n2v3hm1b7gd", false},
		{"Node", Kind{Keys: []string{"sess:{id: [A-Za-z0-9_-]{32}}"}}, "0123456789abcdefghijklmnopqrstuv", false},
		{"hex of 40", Kind{Keys: []string{"s:{id: [0-9a-f]{40}}"}}, "0123456789012345678901234567890123456789", false},
		{"upper-case hex", Kind{Keys: []string{"s:{id: [0-9A-F]{32}}"}}, "0123456789ABCDEF0123456789ABCDEF", false},
		{"digits", Kind{Keys: []string{"s:{id: [0-9]+}"}}, "50555055505550550", false},
		{"UUID", Kind{Keys: []string{"s:{id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}}"}}, "5e55c0de-0000-4ee0-8000-123456789012", false},
		{"too short", Kind{Keys: []string{"s:{id: [0-9a-f]{12}}"}}, "5e55c0dec0ff", true},
		{"no digits", Kind{Keys: []string{"s:{id: [a-z]+}"}}, "abcdefghij", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.kind.Name = "k"
			s, err := Compile([]Kind{tt.kind})
			if err != nil {
				t.Fatal(err)
			}
			if r := s.ByID(tt.other); len(r) != 1 || r[0].Synthetic() {
				t.Errorf("an id of a client is none of the kind, or taken for ours: %v", r)
			}
			seen := map[string]bool{}
			for range 50 {
				refs, none := s.Synthetic()
				if tt.none {
					if len(refs) > 0 || !slices.Equal(none, []string{"k"}) {
						t.Errorf("made %v, without %v", refs, none)
					}
					return
				}
				if len(refs) != 1 || len(none) > 0 || seen[refs[0].ID] {
					t.Fatalf("made %d, without %v, again %v", len(refs), none, seen)
				}
				r := refs[0]
				seen[r.ID] = true
				for where, again := range map[string]func(string) (Ref, bool){r.Name(): s.ResolveString, r.OldKey().Name: s.FromOld, r.NewKey().Name: s.FromNew} {
					if back, ok := again(where); !ok || back.ID != r.ID || back.Lock || !back.Synthetic() {
						t.Errorf("%s came back as %+v, %v", where, back, ok)
					}
				}
			}
		})
	}
	if (Ref{}).Synthetic() {
		t.Error("no session at all is taken for ours")
	}
}
