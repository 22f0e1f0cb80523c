package alike

import "bytes"

// tree is what was read: values in the order in which they stand, the first
// being the whole. Texts are parts of the data.
type tree struct {
	nodes []node
	// slots are the values that PHP numbers for references, in its order.
	slots []int32
	// opaque is set where data of a class's own form stands (C:), whose values PHP
	// may have numbered too: then references are compared by their numbers.
	opaque bool
}

// kind of a value.
type kind byte

const (
	scalar    kind = iota // compared by tag and text
	ordered               // PHP's array, JSON's array
	unordered             // session variables, properties, JSON's members
	reference             // text is the number
)

type node struct {
	kind kind
	tag  byte   // PHP's letter, or JSON's first character
	text []byte // of a scalar; of an object its class
	key  []byte // in its container, the first byte being its type; nil: none
	up   int32  // the container; -1: none
	next int32  // in the same container; 0: none
	head int32  // of its own values; 0: none
	size int32  // how many
	ref  int64  // of a reference
}

// add puts a value into a container, behind tail (0: the first).
func (t *tree) add(n node, up, tail int32) int32 {
	at := int32(len(t.nodes))
	n.up = up
	t.nodes = append(t.nodes, n)
	if up >= 0 {
		if tail == 0 {
			t.nodes[up].head = at
		} else {
			t.nodes[tail].next = at
		}
		t.nodes[up].size++
	}
	return at
}

// name is a key as paths have it: without its type, and for a property that is
// private or protected without the class ("\x00Class\x00name").
func (n *node) name() []byte {
	if n.key == nil {
		return nil
	}
	k := n.key[1:]
	if len(k) > 0 && k[0] == 0 {
		if i := bytes.IndexByte(k[1:], 0); i >= 0 {
			return k[i+2:]
		}
	}
	return k
}
