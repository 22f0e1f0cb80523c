// Package alike tells whether two sessions mean the same to the application
// though their bytes differ. It reads PHP's serializations and JSON with a
// scanner of its own: nothing of the data is run, no object is made, lengths are
// checked against what is there, nesting is bounded, and what it cannot read is
// the same only where the bytes are.
//
//	alike.Same("php", []byte(`a|i:1;b|i:2;`), []byte(`b|i:2;a|i:1;`), nil)          // true
//	alike.Same("php", []byte(`n|i:1;t|i:5;`), []byte(`n|i:1;t|i:9;`), []string{"t"}) // true
//
// What counts: values and their types (1 is not 1.0, nor "1"), floats by their
// text, and what a reference refers to. The order of session variables, of an
// object's properties and of JSON's members does not count: it is that in which a
// request came to set them, and PHP's == and JSON's grammar do not see it. The
// order in a PHP array counts: foreach, array_pop and list() show it.
//
// Time and memory are those of the data's length, besides sorting what has no
// order.
package alike

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// The formats. A session of Bytes is compared as it stands.
const (
	Bytes        = "bytes"
	PHP          = "php"           // session.serialize_handler=php: name|value name|value …
	PHPSerialize = "php_serialize" // and what serialize() gives
	JSON         = "json"
)

// Formats are all of them.
var Formats = []string{Bytes, PHP, PHPSerialize, JSON}

// depthMost bounds nesting: PHP's own unserialize stops at 4096, and sessions
// that people write stay below 20.
const depthMost = 200

// Same tells whether a and b mean the same in a format. What lies at a path of
// ignore, in one or both, does not count: keys with dots between them, * for any
// key ("_sf2_meta.u", "carts.*.seen"); a property's name is the bare one. Data
// that cannot be read, and formats that are not known, are compared by their bytes.
func Same(format string, a, b []byte, ignore []string) bool {
	if bytes.Equal(a, b) {
		return true
	}
	ta, ok := parse(format, a)
	if !ok {
		return false
	}
	tb, ok := parse(format, b)
	if !ok {
		return false
	}
	c := comparison{a: ta, b: tb}
	var paths [][]string
	for _, p := range ignore {
		paths = append(paths, strings.Split(p, "."))
	}
	return c.same(0, 0, paths)
}

// CheckPath tells what is wrong with a path of ignore.
func CheckPath(path string) error {
	if path == "" || slices.Contains(strings.Split(path, "."), "") || len(path) > 200 {
		return fmt.Errorf("%q: accepted are keys with dots between them, * for any key, as _sf2_meta.u", path)
	}
	if path == "*" {
		return fmt.Errorf("%q: leaves nothing to compare: accepted are keys with dots between them, as _sf2_meta.u", path)
	}
	return nil
}

func parse(format string, data []byte) (*tree, bool) {
	switch format {
	case PHP:
		return parsePHP(data, true)
	case PHPSerialize:
		return parsePHP(data, false)
	case JSON:
		return parseJSON(data)
	}
	return nil, false
}
