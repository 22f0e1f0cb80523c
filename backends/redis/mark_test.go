package redis

import (
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
)

// TestMarkFormat keeps the form of docs/formats.md: other agents read it.
func TestMarkFormat(t *testing.T) {
	for want, m := range map[string]backends.Mark{
		`1 00000000000000af 42 "" ""`:               {Agent: "00000000000000af", Write: 42},
		`1 0123456789abcdef 1 "id:7" "d0c1"`:        {Agent: "0123456789abcdef", Write: 1, Conn: "id:7", RunID: "d0c1"},
		`1 a 18446744073709551615 "a \"b\"\n" "\t"`: {Agent: "a", Write: 1<<64 - 1, Conn: "a \"b\"\n", RunID: "\t"},
	} {
		if got := formatMark(m); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, err := parseMark(want); err != nil || got != m {
			t.Errorf("%s: got %+v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "1", "2 a 1 \"\" \"\"", "1 a x \"\" \"\"", "1 a -1 \"\" \"\"", "1 a 1 \"\"", "1 a 1 \"\" \"", "1 a 1 b c", "1 a 1 \"\" \"\" "} {
		if m, err := parseMark(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, m)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add("a", uint64(1), "id:7", "run")
	f.Fuzz(func(t *testing.T, agent string, write uint64, conn, run string) {
		if strings.Contains(agent, " ") {
			t.Skip()
		}
		m := backends.Mark{Agent: agent, Write: write, Conn: conn, RunID: run}
		got, err := parseMark(formatMark(m))
		// %q replaces what is no UTF-8 by escapes that keep every byte.
		if err != nil || got != m {
			t.Errorf("wrote %+v, read %+v, %v", m, got, err)
		}
	})
}
