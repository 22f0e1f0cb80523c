package redis_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

// contended asks each edit about another session first, as when somebody writes
// in between: what was said of that one must not reach the answer.
type contended struct {
	*frontendtest.Sessions
	found bool
	data  string
}

func (c contended) Edit(ctx context.Context, r kinds.Ref, fn edit.Func) error {
	fn(backends.Session{Data: []byte(c.data), Deadline: time.Now().Add(time.Hour)}, c.found)
	return c.Sessions.Edit(ctx, r, fn)
}

// TestEditAskedAgain plays all that is an edit, to sessions that were something
// else at the first look: missing, a number, no number.
func TestEditAskedAgain(t *testing.T) {
	for _, tt := range slices.Concat(conditions, changes) {
		for _, first := range []contended{{found: false}, {found: true, data: "17"}, {found: true, data: "x"}} {
			first.Sessions = frontendtest.New(t, web)
			first.Now = noon
			got := frontendtest.Play(t, redis.New(first, redis.Options{Server: frontends.Options{Now: noon}}), tt.in)
			if got != tt.want {
				t.Errorf("%s, first %v %q: got %.500q\nwant %.500q", tt.name, first.found, first.data, got, tt.want)
			}
		}
	}
}

// TestEdits is what edits come to in the layer: client flags and deadlines stay
// with what is changed, and go with what is replaced.
func TestEdits(t *testing.T) {
	f := frontendtest.New(t, web)
	f.Now = noon
	r, _ := f.Resolve([]byte("s.a"))
	f.Set(t.Context(), r, backends.Session{Data: []byte("5"), Flags: 7, Deadline: noon().Add(time.Hour)})
	f.Calls()
	frontendtest.Play(t, redis.New(f, redis.Options{Server: frontends.Options{Now: noon}}), lines(
		"INCR s.a", "APPEND s.a 0", "INCR s.x", "APPEND s.y v", "INCRBY s.y 1",
		"EXPIRE s.a 60 NX", "EXPIRE s.a 60 LT", "EXPIRE s.a -1 GT", "PERSIST s.a", "PERSIST s.a", "GETEX s.a EX 9", "GETEX s.a", "GETEX s.a PERSIST", "GETEX s.n EX 9",
		"SET s.a v KEEPTTL", "SET s.a w XX PX 9000", "SET s.a x KEEPTTL", "SET s.n v XX", "GETSET s.a y", "EXPIRE s.a -1 NX", "SET s.a v NX GET EX 8", "GETDEL s.a", "GETDEL s.a",
		"MULTI", "DECR s.x", "GET s.x", "DISCARD", "MULTI", "DECR s.x", "EXEC"))
	want := []string{`edit set s.a 7 "6" 3600s`, `edit set s.a 7 "60" 3600s`, `edit set s.x 0 "1" 0s`, `edit set s.y 0 "v" 0s`, "edit s.y",
		"edit s.a", "edit touch s.a 60s", "edit s.a", "edit touch s.a 0s", "edit s.a", "edit touch s.a 9s", "get s.a", "edit touch s.a 0s", "edit s.n",
		`edit set s.a 0 "v" 0s`, `edit set s.a 0 "w" 9s`, `edit set s.a 0 "x" 9s`, "edit s.n", `edit set s.a 0 "y" 0s`, "edit delete s.a", `edit set s.a 0 "v" 8s`, "edit delete s.a", "edit s.a",
		`edit set s.x 0 "0" 0s`}
	if got := f.Calls(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// counted counts what is refused, by class.
type counted map[string]int

func (counted) Request(string, string, time.Duration) {}
func (counted) Connections(int)                       {}
func (c counted) Unsupported(class string)            { c[class]++ }

// TestRefusalsAreCounted: each by its class, and what clients only try by none.
func TestRefusalsAreCounted(t *testing.T) {
	f := frontendtest.New(t, web)
	for class, ls := range map[string][]string{
		frontends.ClassCommand:     {"FOO", "CLIENT BOGUS", "SCRIPT FLUSH"},
		frontends.ClassTransaction: {"WATCH s.a"},
		frontends.ClassScan:        {"SCAN 0", "KEYS *"},
		frontends.ClassPubSub:      {"SUBSCRIBE a"},
		frontends.ClassFlush:       {"FLUSHALL"},
		frontends.ClassArithmetic:  {"INCRBYFLOAT s.a 1"},
		frontends.ClassConcat:      {"SETRANGE s.a 1 x"},
		frontends.ClassOption:      {"CLIENT TRACKING ON"},
		frontends.ClassKey:         {"GET other", "INCR other", "SET other v XX", "GETEX other PERSIST"},
		frontends.ClassLock:        {"SET l.a t XX", "INCR l.a", "PERSIST l.a", "EVALSHA " + sumOf(pyExtend) + " 1 l.a t 5 0", "EVALSHA " + sha + " 1 s.a t"},
		frontends.ClassScript:      {"EVAL return 1 k t"},
		frontends.ClassDatabase:    {"SELECT 3"},
		"":                         {"HELLO 3", "HELLO 4", "CLIENT MAINT_NOTIFICATIONS ON", "CLIENT SETINFO LIB-NAME x", "EVALSHA 0 1 l.a t", "GET", "INCR s.txt", "CLIENT TRACKING OFF", "EXEC"},
	} {
		c := counted{}
		frontendtest.Play(t, redis.New(f, redis.Options{Server: frontends.Options{Observer: c}}), strings.ReplaceAll(lines(ls...), "EVAL return 1 k", "EVAL return 1 l.a"))
		want := counted{}
		if class != "" {
			want[class] = len(ls)
		}
		if len(c) != len(want) || c[class] != want[class] {
			t.Errorf("%q: counted %v, want %v", ls, c, want)
		}
	}
}
