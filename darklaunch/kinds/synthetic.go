package kinds

import (
	"crypto/rand"
	"strings"
)

// A synthetic session is one that no client made: Crossfade itself, to see that an
// agent can still write, read, touch and delete. Its id fits its kind's pattern, so
// that it hashes, ramps and is routed as any; and it begins with what no generator
// of ids makes by chance (16 hex digits: one in 2^64), so that what counts and
// copies sessions can leave it out.

// forms of synthetic ids, the first that fits a kind is its own; a star is a random
// decimal digit, which is in every alphabet that ids are made of. The lengths are
// those of common generators: PHP (32, 26, 40, 22 …), Node, Rack, Django, UUIDs.
var forms = func() (all []string) {
	for _, head := range []string{"5e55c0dec0ffee00", "5E55C0DEC0FFEE00", "5055505550555055"} {
		for _, n := range []int{32, 26, 40, 24, 22, 43, 48, 64, 128, 36, 20} {
			all = append(all, head+strings.Repeat("*", n-len(head)))
		}
		if head[1] != '0' {
			all = append(all, head[:8]+"-"+head[8:12]+"-4"+head[12:15]+"-8000-"+strings.Repeat("*", 12))
		}
	}
	return all
}()

// reserve gives the kind its form; none, where no form fits.
func (s *Set) reserve(k *kind) {
	for _, form := range forms {
		id := strings.ReplaceAll(form, "*", "0")
		is := func(r Ref, ok bool) bool { return ok && r.kind == k && !r.Lock && r.ID == id }
		if is(s.ResolveString(k.keys[0].name(id))) && is(s.FromOld(k.keys[0].name(id))) && is(s.FromNew(k.newKey.name(id))) {
			k.synthetic, k.head = form, form[:strings.IndexByte(form, '*')]
			return
		}
	}
}

// Synthetic makes one synthetic session of each kind, another each time. none are
// the names of the kinds whose ids have no room for one: shorter than 20, or of an
// alphabet without digits.
func (s *Set) Synthetic() (refs []Ref, none []string) {
	for _, k := range s.kinds {
		if k.Stays != "" {
			continue // it is in one position for good
		}
		if k.synthetic == "" {
			none = append(none, k.Name)
			continue
		}
		id := []byte(k.synthetic)
		random := make([]byte, len(id))
		rand.Read(random)
		for i := range id {
			if id[i] == '*' {
				id[i] = '0' + random[i]%10
			}
		}
		refs = append(refs, Ref{kind: k, via: k.keys[0], name: k.keys[0].name(string(id)), ID: string(id)})
	}
	return refs, none
}

// Synthetic tells whether no client made the session.
func (r Ref) Synthetic() bool {
	return r.kind != nil && r.kind.head != "" && len(r.ID) == len(r.kind.synthetic) && strings.HasPrefix(r.ID, r.kind.head)
}
