package flags

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// foreign is flagd's JSON as somebody else writes it: another flag, other
// metadata, more positions than it may decide.
func foreign(targeting string) string {
	return `{"$schema": "https://flagd.dev/schema/v0/flags.json", "metadata": {"team": "shop", "version": 3},
"flags": {"banner": {"state": "ENABLED", "variants": {"a": true}, "defaultVariant": "a"},
"crossfade-stage": {"state": "ENABLED", "variants": {"go": "cutover", "try": "mirror", "stay": "off"}, "defaultVariant": "stay"` + targeting + `}}}`
}

// TestElsewhereIsClamped: whatever a definition made elsewhere says, it moves
// sessions between off and mirror alone, by flagd's own buckets.
func TestElsewhereIsClamped(t *testing.T) {
	hasher := testHasher(t)
	var hashes []Hash
	for i := range 3000 {
		hashes = append(hashes, hasher.SumString(fmt.Sprint("id-", i)))
	}
	// The share by our own bucketer, whose vectors are frozen.
	below := func(seed string, end int) func(h Hash) bool {
		b := newBucketer(seed)
		return func(h Hash) bool { return int(b.bucket(&h)) < end }
	}
	all := func(up bool) func(Hash) bool { return func(Hash) bool { return up } }
	for _, tt := range []struct {
		name, text string
		up         func(Hash) bool
	}{
		{"fractional", foreign(`, "targeting": {"fractional": [["go", 1000], ["try", 1500], ["stay", 7500]]}`), below(Key, 2500)},
		{"of another total", foreign(`, "targeting": {"fractional": [["go", 1], ["stay", 3]]}`), below(Key, 2500)},
		{"without weights", foreign(`, "targeting": {"fractional": [["try"], ["stay"]]}`), below(Key, 5000)},
		{"with a seed", foreign(`, "targeting": {"fractional": [{"cat": ["abc", {"var": "targetingKey"}]}, ["try", 25], ["stay", 75]]}`), below("abc", 2500)},
		{"with flagd's own words", foreign(`, "targeting": {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}, ["go", 25], ["stay", 75]]}`), below(Key, 2500)},
		{"the key alone", foreign(`, "targeting": {"fractional": [{"var": "targetingKey"}, ["go", 25], ["stay", 75]]}`), below("", 2500)},
		{"no targeting", foreign(""), all(false)},
		{"an empty one", foreign(`, "targeting": {}`), all(false)},
		{"all of them", strings.Replace(foreign(""), `"defaultVariant": "stay"`, `"defaultVariant": "go"`, 1), all(true)},
		{"disabled", strings.Replace(strings.Replace(foreign(""), `"defaultVariant": "stay"`, `"defaultVariant": "go"`, 1), `"crossfade-stage": {"state": "ENABLED"`, `"crossfade-stage": {"state": "DISABLED"`, 1), all(false)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, base := range []position.Position{position.Off, position.Fenced, position.ReadNew, position.Cutover} {
				k := NewKept(KeptOptions{Migration: allAt(base).Migration})
				if base != position.Off {
					if err := k.Take(at(t, 5, base), FromStore); err != nil {
						t.Fatal(err)
					}
				}
				k.Begin()
				if err := k.Take([]byte(tt.text), FromURL); err != nil {
					t.Fatal(err)
				}
				for _, h := range hashes {
					want := base
					if base == position.Off && tt.up(h) {
						want = position.Mirror
					}
					if d := k.Decide(h); !d.Ready || d.Position != want {
						t.Fatalf("beside %v: %+v, want %v", base, d, want)
					}
				}
				if st := k.Status(); !st.Elsewhere || st.LastError != nil || (st.Epoch == 5) != (base != position.Off) {
					t.Errorf("status %+v", st)
				}
			}
		})
	}
}

// TestElsewhereRefused: what cannot be known whole changes nothing.
func TestElsewhereRefused(t *testing.T) {
	good := foreign(`, "targeting": {"fractional": [["try", 1], ["stay", 0]]}`)
	for name, text := range map[string]string{
		"no such flag":      strings.Replace(good, Key, "other", 1),
		"a rule by user":    foreign(`, "targeting": {"if": [{"==": [{"var": "email"}, "x"]}, "go", "stay"]}`),
		"two rules":         foreign(`, "targeting": {"fractional": [["go", 1]], "if": []}`),
		"by another key":    foreign(`, "targeting": {"fractional": [{"var": "email"}, ["go", 1]]}`),
		"key not last":      foreign(`, "targeting": {"fractional": [{"cat": [{"var": "targetingKey"}, "x"]}, ["go", 1]]}`),
		"unknown variant":   foreign(`, "targeting": {"fractional": [["gone", 1]]}`),
		"unknown position":  strings.Replace(good, `"go": "cutover"`, `"go": "on"`, 1),
		"a truth":           strings.Replace(good, `"go": "cutover"`, `"go": true`, 1),
		"negative":          foreign(`, "targeting": {"fractional": [["go", -1]]}`),
		"too heavy":         foreign(`, "targeting": {"fractional": [["go", 2147483647], ["try", 1]]}`),
		"none":              foreign(`, "targeting": {"fractional": []}`),
		"no state":          strings.Replace(good, `"crossfade-stage": {"state": "ENABLED", `, `"crossfade-stage": {`, 1),
		"a list":            `[]`,
		"a page":            "<html>captive portal</html>",
		"half":              good[:len(good)/2],
		"nothing":           "",
		"another migration": strings.Replace(string(at(t, 9, position.Mirror)), `"migration": "`+allAt(position.Off).Migration, `"migration": "other`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			k := NewKept(KeptOptions{Migration: allAt(position.Off).Migration})
			k.Begin()
			if err := k.Take([]byte(good), FromURL); err != nil {
				t.Fatal(err)
			}
			err := k.Take([]byte(text), FromURL)
			if err == nil || k.Decide(Hash{}).Position != position.Mirror {
				t.Errorf("%v: %+v", err, k.Decide(Hash{}))
			}
			if st := k.Status(); st.LastError == nil || !st.Elsewhere {
				t.Errorf("status %+v", st)
			}
			fresh := NewKept(KeptOptions{Migration: allAt(position.Off).Migration})
			fresh.Begin()
			if fresh.Take([]byte(text), FromURL); fresh.Decide(Hash{}).Ready {
				t.Error("served though it was refused")
			}
		})
	}
	k := NewKept(KeptOptions{})
	k.Begin()
	for _, from := range []Channel{FromServer, FromStore} { // whoever moves the fleet gives ours
		if err := k.Take([]byte(good), from); err == nil {
			t.Errorf("taken from the %s", from)
		}
	}
}

// TestElsewhereBesideOurs: what was made elsewhere never makes a revision of ours
// legal that would not be, is over when ours comes by the same way, and lasts
// over a restart.
func TestElsewhereBesideOurs(t *testing.T) {
	up := []byte(strings.Replace(foreign(""), `"defaultVariant": "stay"`, `"defaultVariant": "try"`, 1))
	dir := t.TempDir()
	name := allAt(position.Off).Migration
	open := func() *Kept { return NewKept(KeptOptions{Migration: name, StateDir: dir}) }
	k := open()
	k.Begin()
	if err := k.Take(up, FromURL); err != nil {
		t.Fatal(err)
	}
	// All are in mirror here by their word; by ours they are off, and fenced is
	// two positions away.
	if err := k.Take(at(t, 3, position.Fenced), FromFile); err == nil {
		t.Error("fenced follows off where others raised it")
	}
	pin := allAt(position.Off)
	pin.Pins = map[Hash]position.Position{{}: position.Fenced}
	pinned := func(epoch uint64) []byte {
		pin.Epoch = epoch
		data, err := pin.MarshalFlagd()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if err := k.Take(pinned(3), FromFile); err == nil {
		t.Error("a session is pinned two positions on, where nothing of ours was known")
	}
	k = open()
	if k.Begin(); k.Decide(Hash{}).Position != position.Mirror || k.Current().Epoch() != 0 {
		t.Errorf("after a restart: %+v", k.Decide(Hash{}))
	}
	if err := k.Take(at(t, 1, position.Off), FromStore); err != nil {
		t.Fatal(err)
	}
	if d := k.Decide(Hash{}); d.Position != position.Mirror || d.Epoch != 1 {
		t.Errorf("beside the first revision: %+v", d)
	}
	if err := k.Take(pinned(2), FromFile); err == nil {
		t.Error("a session is pinned two positions on, because others raised it")
	}
	// Ours, by the way by which theirs came: theirs is over.
	if err := k.Take(at(t, 1, position.Off), FromURL); err != nil || k.Decide(Hash{}).Position != position.Off || k.Status().Elsewhere {
		t.Errorf("%v: %+v", err, k.Decide(Hash{}))
	}
	if _, err := os.Stat(filepath.Join(dir, LastElsewhere)); !os.IsNotExist(err) {
		t.Errorf("their copy is left: %v", err)
	}
	// The fleet has gone on to where no agent that knows nothing of it may follow.
	k = NewKept(KeptOptions{Migration: name})
	k.Begin()
	if err := k.Take(up, FromFile); err != nil {
		t.Fatal(err)
	}
	if err := k.Take(at(t, 9, position.ReadNew), FromStore); err == nil || k.Stopped() == "" {
		t.Errorf("%v, stopped %q", err, k.Stopped())
	}
}
