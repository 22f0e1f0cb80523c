package epochs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// revision is the flags of all sessions in one position.
func revision(t testing.TB, epoch uint64, p position.Position) []byte {
	t.Helper()
	d := flags.Definition{Migration: "test", Epoch: epoch, Default: p}
	d.Weights[p] = flags.Buckets
	if p == position.Cutover {
		d.CutoverFloor = flags.Buckets
	}
	b, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// moment is a time of publishing, so many seconds on.
func moment(s int) time.Time { return time.Date(2026, 11, 22, 10, 0, s, 0, time.UTC) }

// note is one whose roster has names, each with a start id behind it or without.
func note(t testing.TB, epoch uint64, p position.Position, agents ...string) Note {
	return Note{Migration: "test", Flags: revision(t, epoch, p), Agents: lives(agents...), At: moment(int(epoch))}
}

func lives(agents ...string) []Life {
	var all []Life
	for _, a := range agents {
		name, start, _ := strings.Cut(a, " ")
		all = append(all, Life{name, start})
	}
	return all
}

// idA and idB are start ids.
const idA, idB = "00000000000000af", "00000000000000b0"

func TestNoteReadBack(t *testing.T) {
	for _, agents := range [][]Life{nil, {}, lives("web-2", "web-1"), lives("web-2 "+idB, "web-1 "+idA)} {
		n := note(t, 7, position.Cutover)
		n.Agents = agents
		data, err := n.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(data)
		if err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		want := slices.SortedFunc(slices.Values(agents), func(a, b Life) int { return strings.Compare(a.Name, b.Name) })
		if got.Epoch != 7 || got.CutoverFloor != flags.Buckets || got.Migration != "test" || !got.At.Equal(n.At) ||
			!slices.Equal(got.Agents, want) || (got.Agents == nil) != (agents == nil) {
			t.Errorf("got %+v, want agents %v", got, agents)
		}
		a, _ := got.Snapshot()
		b, _ := flags.Parse(n.Flags)
		if !a.Same(b) {
			t.Error("other flags came back")
		}
		if got.Lists("web-1", []string{idA}) != (agents == nil || len(agents) == 2) {
			t.Errorf("lists web-1: %v, by %v", got.Lists("web-1", []string{idA}), agents)
		}
	}
}

// TestNoteForms: what is not wholly a note is none.
func TestNoteForms(t *testing.T) {
	good, err := note(t, 7, position.Mirror, "a", "b").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"another epoch than its flags": {`"epoch":7,"cutover_floor"`, `"epoch":8,"cutover_floor"`},
		"another floor":                {`"cutover_floor":0,"agents"`, `"cutover_floor":1,"agents"`},
		"another migration":            {`"version":1,"migration":"test"`, `"version":1,"migration":"carts"`},
		"a key that nobody knows":      {`"version":1`, `"version":1,"more":1`},
		"no version":                   {`"version":1,`, ``},
		"a name twice":                 {`["a","b"]`, `["a","a"]`},
		"names out of order":           {`["a","b"]`, `["b","a"]`},
		"an empty name":                {`["a","b"]`, `[""]`},
		"no time":                      {`"at":`, `"at":0,"flags2":`},
		"flags that are malformed":     {`"crossfade-stage"`, `"another-flag"`},
		"something after it":           {`"version":1`, "\x00"},
		"names in version 2":           {`"version":1`, `"version":2`},
		"lives in version 1":           {`"agents":["a","b"]`, `"lives":[{"name":"a","start":"` + idA + `"}]`},
		"lives and names":              {`"version":1`, `"version":2,"lives":[{"name":"a","start":"` + idA + `"}]`},
		"a life without a start id":    {`"version":1,"migration":"test","epoch":7,"cutover_floor":0,"agents":["a","b"]`, `"version":2,"migration":"test","epoch":7,"cutover_floor":0,"lives":[{"name":"a","start":""}]`},
	} {
		data := bytes.Replace(good, []byte(edit[0]), []byte(edit[1]), 1)
		if edit[1] == "\x00" {
			data = append(bytes.Clone(good), "{}"...)
		}
		if bytes.Equal(data, good) {
			t.Fatalf("%s: nothing was edited in %s", name, good)
		}
		if n, err := Parse(data); err == nil {
			t.Errorf("%s: read as %+v", name, n)
		}
	}
	later := bytes.Replace(good, []byte(`"version":1`), []byte(`"version":3,"more":1`), 1)
	if _, err := Parse(later); !errors.Is(err, ErrVersion) {
		t.Errorf("a later version: %v, want ErrVersion", err)
	}
	if _, err := note(t, 1, position.Mirror, "a", "a").Marshal(); err == nil {
		t.Error("a roster with a name twice was written")
	}
}

// TestTooManyPins: a note is bounded.
func TestTooManyPins(t *testing.T) {
	d := flags.Definition{Migration: "test", Epoch: 1, Default: position.Mirror, Pins: map[flags.Hash]position.Position{}}
	d.Weights[position.Mirror] = flags.Buckets
	for i := range 6000 {
		d.Pins[flags.Hash{byte(i), byte(i >> 8)}] = position.Mirror
	}
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Note{Migration: "test", Flags: data, At: moment(1)}.Marshal()
	if !errors.Is(err, backends.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

// TestNoteVersions: a roster of lives is version 2; what version 1 says in full is
// written as that, and read by whoever knows no other.
func TestNoteVersions(t *testing.T) {
	for want, agents := range map[string][]Life{
		`"version":1,"migration":"test","epoch":7,"cutover_floor":0,"at"`:                                                                    nil,
		`"version":1,"migration":"test","epoch":7,"cutover_floor":0,"agents":[]`:                                                             {},
		`"version":1,"migration":"test","epoch":7,"cutover_floor":0,"agents":["a","b"]`:                                                      lives("b", "a "+idA),
		`"version":2,"migration":"test","epoch":7,"cutover_floor":0,"lives":[{"name":"a","start":"` + idA + `"},{"name":"b","start":"` + idB: lives("b "+idB, "a "+idA),
	} {
		n := note(t, 7, position.Mirror)
		n.Agents = agents
		data, err := n.Marshal()
		if err != nil || !strings.HasPrefix(string(data), "{"+want) {
			t.Errorf("%v: %v\n got %s\nwant {%s", agents, err, data, want)
		}
	}
}

// TestLists: of two lives under one name, the roster's counts, and one that shows
// that the roster's is over.
func TestLists(t *testing.T) {
	for _, tt := range []struct {
		name   string
		roster []Life
		lives  []string
		want   bool
	}{
		{"no roster", nil, []string{idA}, true},
		{"nobody", []Life{}, []string{idA}, false},
		{"by name alone", lives("web-1"), []string{idA}, true},
		{"another name", lives("web-2"), []string{idA}, false},
		{"its life", lives("web-1 " + idA), []string{idA}, true},
		{"one that it followed", lives("web-1 " + idA), []string{idB, idA}, true},
		{"another life of its name", lives("web-1 " + idB), []string{idA}, false},
		{"its life under another name", lives("web-2 " + idA), []string{idA}, false},
	} {
		n := note(t, 7, position.Mirror)
		n.Agents = tt.roster
		if got := n.Lists("web-1", tt.lives); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, agents := range [][]string{{"a", "b"}, {"a " + idA, "b " + idB}} {
		good, err := note(f, 7, position.Mirror, agents...).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(good)
	}
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Parse(data)
		if err != nil {
			return
		}
		again, err := n.Marshal()
		if err != nil {
			t.Fatalf("read, and cannot be written: %v", err)
		}
		m, err := Parse(again)
		if err != nil || m.Epoch != n.Epoch || !m.At.Equal(n.At) || !slices.Equal(m.Agents, n.Agents) || !sameFlags(&m, &n) {
			t.Fatalf("%+v became %+v, %v", n, m, err)
		}
	})
}

func FuzzParseHeard(f *testing.F) {
	f.Add([]byte(`{"version":1,"start":"00000000000000af","seq":3,"status":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := ParseHeard(data); err == nil && (h.Seq == 0 || len(h.Start) != 16) {
			t.Errorf("%+v", h)
		}
	})
}

// pair is two stores' notes.
func pair(t testing.TB) (old, new *memory.Store, o, n *backends.Notes) {
	t.Helper()
	old, new = memory.New(memory.Options{}), memory.New(memory.Options{})
	t.Cleanup(func() { old.Close(); new.Close() })
	o, okO := backends.NotesOf(old, "test")
	n, okN := backends.NotesOf(new, "test")
	if !okO || !okN {
		t.Fatal("memory holds no notes")
	}
	return old, new, o, n
}

func TestRaise(t *testing.T) {
	ctx := context.Background()
	_, _, o, n := pair(t)
	top := func() string {
		a, b := ReadBoth(ctx, o, n, "test")
		h, found := Highest(a, b)
		return fmt.Sprintf("%d %d: %d %v %s", a.Note.Epoch, b.Note.Epoch, h.Epoch, found, strings.Join(Names(h.Agents), ","))
	}
	want := func(step, want string, err error, higher bool) {
		t.Helper()
		if got := top(); got != want {
			t.Errorf("%s: %s, want %s", step, got, want)
		}
		if errors.Is(err, ErrHigher) != higher || (err != nil) != higher {
			t.Errorf("%s: %v", step, err)
		}
	}
	want("at first", "0 0: 0 false ", nil, false)
	want("begun", "5 5: 5 true ", Raise(ctx, o, n, note(t, 5, position.Mirror)), false)
	want("again", "5 5: 5 true ", Raise(ctx, o, n, note(t, 5, position.Mirror)), false)
	want("lower", "5 5: 5 true ", Raise(ctx, o, n, note(t, 4, position.Mirror)), true)
	want("another of this epoch", "5 5: 5 true ", Raise(ctx, o, n, note(t, 5, position.Fenced)), true)
	roster := note(t, 5, position.Mirror, "web-1")
	want("a roster made at the same moment", "5 5: 5 true ", Raise(ctx, o, n, roster), false)
	roster.At = moment(6)
	want("a later roster", "5 5: 5 true web-1", Raise(ctx, o, n, roster), false)

	// One store only: the other takes it, and the error says who did not.
	err := Raise(ctx, o, nil, note(t, 6, position.Fenced))
	var not *RaiseError
	if !errors.As(err, &not) || not.Old != nil || !errors.Is(not.New, ErrNone) || !not.Some() {
		t.Errorf("without new: %v", err)
	}
	if got := top(); got != "6 5: 6 true " {
		t.Errorf("the higher of two: %s", got)
	}
	// Something else than a note is written over, a newer version's note is not.
	put := func(s string) {
		if err := n.Write(ctx, Name, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	put("junk")
	if err := Raise(ctx, o, n, note(t, 6, position.Fenced)); err != nil {
		t.Errorf("over junk: %v", err)
	}
	put(`{"version":99}`)
	if err := Raise(ctx, nil, n, note(t, 9, position.Fenced)); !errors.Is(err, ErrVersion) {
		t.Errorf("over a newer version's: %v, want ErrVersion", err)
	}
}
