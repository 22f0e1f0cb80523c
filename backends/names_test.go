package backends

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

const longMigration = "0123456789-0123456789-0123456789"

// slot is the Redis Cluster slot of a key: CRC16 of its hash tag, or of all of
// it (cluster specification, "Key distribution model" and "Appendix A").
func slot(key string) uint16 {
	if t, ok := hashTag(key); ok {
		key = t
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % 16384
}

func TestSlot(t *testing.T) {
	if got, want := slot("123456789"), uint16(0x31C3%16384); got != want { // the specification's vector
		t.Errorf("got %x, want %x", got, want)
	}
	for key, other := range map[string]string{ // the specification's examples
		"{user1000}.following": "user1000", "foo{{bar}}zap": "{bar", "foo{bar}{zap}": "bar",
	} {
		if slot(key) != slot(other) {
			t.Errorf("%s is not in the slot of %s", key, other)
		}
	}
}

func hashed(name string) string {
	b := sha256.Sum256([]byte(name))
	return "h" + hex.EncodeToString(b[:])
}

func TestSiblings(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct{ name, long, short string }{ // with a migration of 32 bytes, of one if it differs
		{"a", "{a}", ""},
		{"a{b", "{a{b}", ""},
		{"{", "{{}", ""},
		{x(200), "{" + x(200) + "}", ""},
		{x(201), hashed(x(201)), "{" + x(201) + "}"},
		{x(231), hashed(x(231)), "{" + x(231) + "}"},
		{x(232), hashed(x(232)), ""},
		{x(250), hashed(x(250)), ""},
		{"{t}a", "{t}{t}a", ""},
		{"a{t}", "{t}a{t}", ""},
		{"{{t}}", "{{t}{{t}}", ""},
		{"{t}" + x(196), "{t}{t}" + x(196), ""},
		{"{t}" + x(197), "{t}" + hashed("{t}"+x(197)), "{t}{t}" + x(197)},
		{"{t}" + x(247), "{t}" + hashed("{t}"+x(247)), ""},
		{"{" + x(135) + "}", "{" + x(135) + "}" + hashed("{"+x(135)+"}"), ""},
		{"{" + x(136) + "}", hashed("{" + x(136) + "}"), "{" + x(136) + "}" + hashed("{"+x(136)+"}")},
		{"{" + x(248) + "}", hashed("{" + x(248) + "}"), ""},
		{"a}", "=a}", ""},
		{"{}a", "={}a", ""},
		{"}" + x(200), "=}" + x(200), ""},
		{"}" + x(201), hashed("}" + x(201)), "=}" + x(201)},
	} {
		if tt.short == "" {
			tt.short = tt.long
		}
		for migration, want := range map[string]string{longMigration: tt.long, "m": tt.short} {
			if got := FlagsKey(migration, Key{Name: tt.name}).Name; len(got) > maxName || !OwnKey(got) {
				t.Errorf("%s: the flags lie in %s", tt.name, got)
			}
			if got := GoneKey(migration, Key{Name: tt.name}).Name; got != "crossfade:"+migration+":gone:"+want {
				t.Errorf("%s: got %s, want %s", tt.name, got, want)
			}
			if got := MarkKey(migration, Key{Name: tt.name}).Name; got != "crossfade:"+migration+":mark:"+want {
				t.Errorf("%s: got %s, want %s", tt.name, got, want)
			}
		}
	}
}

func TestSiblingRoute(t *testing.T) {
	if got := GoneKey("m", Key{Name: "a", Route: "r"}).Route; got != "r" {
		t.Errorf("got route %q, want the session's", got)
	}
	if got := MarkKey("m", Key{Name: "a"}).Route; got != "a" {
		t.Errorf("got route %q, want the session's name", got)
	}
}

// siblings checks what GoneKey promises of two keys.
func siblings(t *testing.T, migration, a, b string) {
	t.Helper()
	if CheckKey(Key{Name: a}) != nil || CheckKey(Key{Name: b}) != nil {
		return
	}
	names := map[string]string{}
	for _, name := range []string{a, b} {
		for _, k := range []Key{GoneKey(migration, Key{Name: name}), MarkKey(migration, Key{Name: name})} {
			if err := CheckKey(k); err != nil || !OwnKey(k.Name) {
				t.Errorf("%q has a sibling of %d bytes: %q, %v", name, len(k.Name), k.Name, err)
			}
			if other, ok := names[k.Name]; ok && other != name {
				t.Errorf("%q and %q share the sibling %q", name, other, k.Name)
			}
			names[k.Name] = name
			room := maxName - len("crossfade:"+migration+":gone:")
			tag, tagged := hashTag(name)
			fits := tagged && len(tag)+67 <= room || !strings.Contains(name, "}") && len(name)+2 <= room
			if fits && slot(k.Name) != slot(name) {
				t.Errorf("%q is not in the slot of %q", k.Name, name)
			}
		}
	}
	want := 4
	if a == b {
		want = 2
	}
	if len(names) != want {
		t.Errorf("%q and %q have %d siblings, want %d", a, b, len(names), want)
	}
}

// TestSiblingsDiffer takes every two of names that are made to be mistaken for
// one another.
func TestSiblingsDiffer(t *testing.T) {
	long := strings.Repeat("x", 240)
	names := []string{
		"t", "{t}", "t}{t", "{t}{t}", "}", "{", "{}", "}{", "{}}", "{{}", "{t}t", "t}t", "=t", "={}", "={t}", "h", "{h}",
		long, long + "}", "{t}" + long, "{" + long + "}", "{" + long + "}y", "{" + strings.Repeat("x", 100) + "}" + strings.Repeat("y", 100),
	}
	for _, n := range names {
		names = append(names, hashed(n), "{t}"+hashed(n), "t}"+hashed(n), "="+n)
	}
	for _, a := range names {
		for _, b := range names {
			siblings(t, longMigration, a, b)
		}
	}
}

func FuzzSiblings(f *testing.F) {
	f.Add("{t}", "t}{t", 1)
	f.Add("{}a", "a}", 32)
	f.Add(strings.Repeat("x", 250), hashed(strings.Repeat("x", 250)), 32)
	f.Add("{"+strings.Repeat("x", 136)+"}", "{"+strings.Repeat("x", 135)+"}", 32)
	f.Fuzz(func(t *testing.T, a, b string, n int) {
		if n < 1 || n > 32 {
			n = 32
		}
		siblings(t, longMigration[:n], a, b)
		siblings(t, longMigration[:n], a, a+"}")
		siblings(t, longMigration[:n], "{"+a+"}", a+"}{"+a)
	})
}

// TestNoteKeys: plain names stay as they are, all others become keys that every
// store takes and that no plain name has.
func TestNoteKeys(t *testing.T) {
	for name, want := range map[string]string{
		"epoch":                             "crossfade:m:epoch",
		"agent:web-1":                       "crossfade:m:agent:web-1",
		"agent:a b":                         "crossfade:m:agent:{" + hashed("a b") + "}",
		"agent:{}":                          "crossfade:m:agent:{" + hashed("{}") + "}",
		"agent:" + strings.Repeat("x", 300): "crossfade:m:agent:{" + hashed(strings.Repeat("x", 300)) + "}",
	} {
		k := NoteKey("m", name)
		if k.Name != want {
			t.Errorf("%.20q: %s, want %s", name, k.Name, want)
		}
		if err := CheckKey(k); err != nil || !OwnKey(k.Name) {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}
