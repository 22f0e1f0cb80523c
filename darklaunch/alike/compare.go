package alike

import (
	"bytes"
	"slices"
)

// comparison is of two trees.
type comparison struct{ a, b *tree }

// same compares two values; ignore are paths below them.
func (c *comparison) same(i, j int32, ignore [][]string) bool {
	a, b := &c.a.nodes[i], &c.b.nodes[j]
	if a.kind != b.kind || a.tag != b.tag || !bytes.Equal(a.text, b.text) {
		return false
	}
	switch a.kind {
	case scalar:
		return true
	case reference:
		return c.refer(a.ref, b.ref)
	}
	as, bs := c.a.kept(i, ignore), c.b.kept(j, ignore)
	if len(as) != len(bs) {
		return false
	}
	for k := range as {
		x, y := &c.a.nodes[as[k]], &c.b.nodes[bs[k]]
		if !bytes.Equal(x.key, y.key) || !c.same(as[k], bs[k], below(ignore, x.name())) {
			return false
		}
	}
	return true
}

// refer tells whether two references mean the same value: one at the same path.
// Where the order of variables differs, so do the numbers.
func (c *comparison) refer(m, n int64) bool {
	if c.a.opaque || c.b.opaque || m < 1 || n < 1 || m > int64(len(c.a.slots)) || n > int64(len(c.b.slots)) {
		return m == n
	}
	i, j := c.a.slots[m-1], c.b.slots[n-1]
	for i >= 0 && j >= 0 { // as deep as depthMost
		if !bytes.Equal(c.a.nodes[i].key, c.b.nodes[j].key) {
			return false
		}
		i, j = c.a.nodes[i].up, c.b.nodes[j].up
	}
	return i == j
}

// kept are the values of a container that count, sorted by key where they have
// no order. Of two with one key the later wins in PHP and in most readers of
// JSON, but not in all: both count.
func (t *tree) kept(i int32, ignore [][]string) []int32 {
	out := make([]int32, 0, t.nodes[i].size)
	for at := t.nodes[i].head; at != 0; at = t.nodes[at].next {
		if !ignored(ignore, t.nodes[at].name()) {
			out = append(out, at)
		}
	}
	if t.nodes[i].kind == unordered {
		slices.SortStableFunc(out, func(x, y int32) int { return bytes.Compare(t.nodes[x].key, t.nodes[y].key) })
	}
	return out
}

func ignored(paths [][]string, name []byte) bool {
	for _, p := range paths {
		if len(p) == 1 && name != nil && (p[0] == "*" || p[0] == string(name)) {
			return true
		}
	}
	return false
}

// below are the paths that go on under a key.
func below(paths [][]string, name []byte) (out [][]string) {
	for _, p := range paths {
		if len(p) > 1 && name != nil && (p[0] == "*" || p[0] == string(name)) {
			out = append(out, p[1:])
		}
	}
	return out
}
