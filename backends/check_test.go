package backends

import (
	"strings"
	"testing"
)

func TestCheckKey(t *testing.T) {
	for _, name := range []string{"a", strings.Repeat("k", 250), "sess:{tag}*?[]\\\"'", "caf\xc3\xa9", "\x80\xff"} {
		if err := CheckKey(Key{Name: name}); err != nil {
			t.Errorf("%q: got %v, want nil", name, err)
		}
	}
	for _, name := range []string{"", strings.Repeat("k", 251), "a b", " a", "a\r\n", "a\x00", "a\tb", "a\x7f"} {
		if err := CheckKey(Key{Name: name}); err != ErrKey {
			t.Errorf("%q: got %v, want ErrKey", name, err)
		}
	}
}
