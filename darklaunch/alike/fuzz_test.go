package alike

import (
	"bytes"
	"testing"
)

// fuzz: whatever comes, nothing panics, a value means the same as itself, and
// the judgement does not depend on which comes first.
func fuzz(f *testing.F, format string) {
	for _, p := range pairs(f) {
		if p.Format == format {
			f.Add(p.A, p.B)
		}
	}
	f.Add([]byte(`a|O:8:"stdClass":1:{s:1:"a";R:1;}`), []byte(`a|C:1:"X":3:{abc}b|r:1;`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, ignore := range [][]string{nil, {"a", "b.*.c"}} {
			if !Same(format, a, bytes.Clone(a), ignore) {
				t.Error("it is not the same as itself")
			}
			if x, y := Same(format, a, b, ignore), Same(format, b, a, ignore); x != y {
				t.Errorf("one way %v, the other %v", x, y)
			}
		}
		if tr, ok := parse(format, a); ok {
			c := comparison{a: tr, b: tr}
			if !c.same(0, 0, nil) {
				t.Error("what was read is not the same as itself")
			}
		}
	})
}

func FuzzPHP(f *testing.F)          { fuzz(f, PHP) }
func FuzzPHPSerialize(f *testing.F) { fuzz(f, PHPSerialize) }
func FuzzJSON(f *testing.F)         { fuzz(f, JSON) }

func FuzzPlain(f *testing.F) {
	f.Add(uint32(packed|packedFast), []byte("\x05\x00\x00\x00\x00a\x20\x00"))
	f.Add(uint32(packed|packedZlib), []byte("\x05\x00\x00\x00\x78\x9c"))
	f.Add(uint32(packed|packedFast), []byte("\xff\xff\xff\x00\x20a\xe0\xff\xff\xff\xff\xff\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, flags uint32, data []byte) {
		plain, rest := Plain(flags, data)
		if len(plain) > plainMost && len(plain) > len(data) {
			t.Errorf("%d bytes of %d", len(plain), len(data))
		}
		if rest == flags && !bytes.Equal(plain, data) {
			t.Error("the flags are as before and the value is not")
		}
	})
}
