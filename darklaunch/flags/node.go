package flags

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// node is one JSON value that knows its place, so that a problem can be told
// by line. encoding/json alone keeps no places, and lets the last of two equal
// keys win in silence.
type node struct {
	ptr    string // JSON pointer; "" is the whole file
	line   int
	kind   string // "object", "array", "string", "number", "boolean", "null"
	text   string // of a string, number or boolean
	keys   []string
	fields map[string]*node
	items  []*node
}

// maxDepth is more than the file needs; deeper is nobody's flag.
const maxDepth = 16

type nodeReader struct {
	data  []byte
	dec   *json.Decoder
	at    int // offset up to which lines were counted
	lines int
}

func readNode(data []byte) (*node, *Problem) {
	r := &nodeReader{data: data, dec: json.NewDecoder(bytes.NewReader(data)), lines: 1}
	r.dec.UseNumber()
	n, p := r.value("", 0)
	if p != nil {
		return nil, p
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return nil, &Problem{r.line(), "/", "something follows the end of the object: accepted is one JSON object"}
	}
	return n, nil
}

// line is that of the token last read; tokens of this format hold no newline.
func (r *nodeReader) line() int {
	to := min(int(r.dec.InputOffset()), len(r.data))
	r.lines += bytes.Count(r.data[r.at:to], []byte{'\n'})
	r.at = to
	return r.lines
}

func (r *nodeReader) value(ptr string, depth int) (*node, *Problem) {
	tok, err := r.dec.Token()
	if err != nil {
		return nil, r.broken(ptr, err)
	}
	n := &node{ptr: ptr, line: r.line()}
	if depth > maxDepth {
		return nil, &Problem{n.line, ptr, "nested too deep: accepted is flagd's flag format"}
	}
	switch v := tok.(type) {
	case string:
		n.kind, n.text = "string", v
	case json.Number:
		n.kind, n.text = "number", v.String()
	case bool:
		n.kind, n.text = "boolean", strconv.FormatBool(v)
	case nil:
		n.kind = "null"
	case json.Delim:
		if v == '[' {
			return n, r.array(n, depth)
		}
		return n, r.object(n, depth)
	}
	return n, nil
}

func (r *nodeReader) array(n *node, depth int) *Problem {
	n.kind = "array"
	for r.dec.More() {
		item, p := r.value(fmt.Sprintf("%s/%d", n.ptr, len(n.items)), depth+1)
		if p != nil {
			return p
		}
		n.items = append(n.items, item)
	}
	return r.end(n.ptr)
}

func (r *nodeReader) object(n *node, depth int) *Problem {
	n.kind, n.fields = "object", map[string]*node{}
	for r.dec.More() {
		tok, err := r.dec.Token()
		if err != nil {
			return r.broken(n.ptr, err)
		}
		key, _ := tok.(string)
		ptr := n.ptr + "/" + pointerEscape.Replace(key)
		if _, twice := n.fields[key]; twice {
			return &Problem{r.line(), ptr, "stands twice: accepted is each key once"}
		}
		v, p := r.value(ptr, depth+1)
		if p != nil {
			return p
		}
		n.keys = append(n.keys, key)
		n.fields[key] = v
	}
	return r.end(n.ptr)
}

func (r *nodeReader) end(ptr string) *Problem {
	if _, err := r.dec.Token(); err != nil {
		return r.broken(ptr, err)
	}
	return nil
}

func (r *nodeReader) broken(ptr string, err error) *Problem {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("the file ends too early")
	}
	if ptr == "" {
		ptr = "/"
	}
	return &Problem{r.line(), ptr, fmt.Sprintf("not JSON: %v", err)}
}

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")
