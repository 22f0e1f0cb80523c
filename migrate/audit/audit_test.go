package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/files"
)

func newLog(t *testing.T, n int) (l *Log, path string) {
	t.Helper()
	flags := filepath.Join(t.TempDir(), "flags.json")
	l = New(files.New(flags), nil)
	for i := range n {
		e := Entry{Who: "ada", Verb: "ramp", Args: json.RawMessage(fmt.Sprintf(`{"buckets":%d}`, i)), Epoch: uint64(i), Back: []string{"nothing"}, Outcome: Done}
		if err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return l, flags + ".audit"
}

func verify(t *testing.T, l *Log) Checked {
	t.Helper()
	c, err := l.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLog(t *testing.T) {
	l, _ := newLog(t, 0)
	if c := verify(t, l); c.Entries != 0 || len(c.Bad) > 0 {
		t.Errorf("an empty log: %+v", c)
	}
	l, _ = newLog(t, 7)
	if c := verify(t, l); c.Entries != 7 || len(c.Bad) > 0 || len(c.Sum) != 64 {
		t.Errorf("got %+v, want 7 entries and nothing bad", c)
	}
	es, err := l.Read(t.Context(), 3, 2)
	if err != nil || len(es) != 2 || es[0].N != 3 || es[1].Prev != es[0].Sum || string(es[0].Args) != `{"buckets":2}` || es[0].At.IsZero() {
		t.Errorf("entries from 3: %+v, %v", es, err)
	}
}

// TestTampering: whatever one does to the lines is found.
func TestTampering(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		change     func(lines [][]byte) [][]byte
	}{
		{"a word", "line 3 was changed", func(l [][]byte) [][]byte {
			l[2] = bytes.Replace(l[2], []byte("ada"), []byte("bob"), 1)
			return l
		}},
		{"a sum", "line 3 was changed", func(l [][]byte) [][]byte {
			l[2][len(l[2])-4] ^= 1
			return l
		}},
		{"a line with a sum of its own", "entry 4 does not follow", func(l [][]byte) [][]byte {
			e, _ := parse(l[2])
			e.Who = "bob"
			l[2], _, _ = e.line()
			return l
		}},
		{"the last line with a sum of its own", "entry 6 is another", func(l [][]byte) [][]byte {
			e, _ := parse(l[5])
			e.Who = "bob"
			l[5], _, _ = e.line()
			return l
		}},
		{"a line cut out", "entry 4 follows entry 2", func(l [][]byte) [][]byte { return append(l[:2], l[3:]...) }},
		{"the first cut out", "entry 2 follows entry 0", func(l [][]byte) [][]byte { return l[1:] }},
		{"the last cut off", "the log ends with entry 5, and 6 were written", func(l [][]byte) [][]byte { return l[:5] }},
		{"all cut off", "the log ends with entry 0", func(l [][]byte) [][]byte { return nil }},
		{"two changed places", "follows entry", func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l }},
		{"a line twice", "entry 3 follows entry 3", func(l [][]byte) [][]byte {
			return append(l[:3:3], append([][]byte{l[2]}, l[3:]...)...)
		}},
		{"a line of one's own", "line 3 is no whole line", func(l [][]byte) [][]byte {
			return append(l[:2:2], append([][]byte{[]byte("{}")}, l[2:]...)...)
		}},
		{"half a line", "line 3 is no whole line", func(l [][]byte) [][]byte { l[2] = l[2][:30]; return l }},
		{"the last line damaged", "line 6 is no whole line", func(l [][]byte) [][]byte { l[5] = l[5][:30]; return l }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, path := newLog(t, 6)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := tt.change(bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")))
			text := bytes.Join(lines, []byte("\n"))
			if len(lines) > 0 {
				text = append(text, '\n')
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if c := verify(t, l); !strings.Contains(strings.Join(c.Bad, "\n"), tt.want) {
				t.Errorf("found %q, want %q", c.Bad, tt.want)
			}
		})
	}
}

// TestCrash: a line that a crash cut short, or that came without its head, is
// none of anybody's doing, and the log goes on.
func TestCrash(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name    string
		crash   func(l *Log, path string)
		entries int
	}{
		{"in the middle of a line", func(_ *Log, path string) {
			f, _ := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			f.WriteString(`{"n":4,"at":`)
			f.Close()
		}, 4},
		{"between line and head", func(l *Log, path string) {
			was, _ := l.b.Load(ctx, book.Head)
			l.Append(ctx, Entry{Verb: "ramp", Outcome: Done})
			os.WriteFile(strings.TrimSuffix(path, ".audit")+".head", was, 0o600)
		}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, path := newLog(t, 3)
			tt.crash(l, path)
			if c := verify(t, l); len(c.Bad) > 0 {
				t.Errorf("after the crash: %q", c.Bad)
			}
			if err := l.Append(ctx, Entry{Verb: "ramp", Outcome: Done}); err != nil {
				t.Fatal(err)
			}
			if c := verify(t, l); len(c.Bad) > 0 || c.Entries != tt.entries {
				t.Errorf("after the next line: %+v, want %d entries and nothing bad", c, tt.entries)
			}
		})
	}
}

func TestManyWriters(t *testing.T) {
	l, _ := newLog(t, 0)
	var wg sync.WaitGroup
	for range 4 {
		one := New(l.b, nil)
		wg.Go(func() {
			for range 5 {
				if err := one.Append(t.Context(), Entry{Verb: "ramp", Outcome: Done}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if c := verify(t, l); c.Entries != 20 || len(c.Bad) > 0 {
		t.Errorf("got %+v, want 20 entries and nothing bad", c)
	}
}
