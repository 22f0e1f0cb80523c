package memcached_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

var errStore = errors.New("store is away")

// TestFaults lets each call of Sessions fail: never a miss, and the connection
// lives on.
func TestFaults(t *testing.T) {
	const away = "SERVER_ERROR store is away\r\n"
	for _, tt := range []struct {
		name, op, in string
		err          error
		want         string
	}{
		{"get", "get", "get s.a\r\n", errStore, away},
		{"gets", "get", "gets s.a\r\n", errStore, away},
		{"gat, the touch", "touch", "gat 9 s.a\r\n", errStore, away},
		{"gat, the get", "get", "gat 9 s.a\r\n", errStore, away},
		{"gat into the past", "delete", "gat -1 s.a\r\n", errStore, away},
		{"set", "set", "set s.a 0 0 1\r\nx\r\n", errStore, away},
		{"add", "add", "add s.a 0 0 1\r\nx\r\n", errStore, away},
		{"touch", "touch", "touch s.a 9\r\n", errStore, away},
		{"touch into the past", "delete", "touch s.a -1\r\n", errStore, away},
		{"delete", "delete", "delete s.a\r\n", errStore, away},
		{"lock", "lock", "add l.a 0 9 1\r\n1\r\n", errStore, away},
		{"unlock", "unlock", "delete l.a\r\n", errStore, away},
		{"replace", "edit", "replace s.a 0 0 1\r\nx\r\n", errStore, away},
		{"append", "edit", "append s.a 0 0 1\r\nx\r\n", errStore, away},
		{"cas", "edit", "cas s.a 0 0 1 5\r\nx\r\n", errStore, away},
		{"incr", "edit", "incr s.a 1\r\n", errStore, away},
		{"unlock by a set", "unlock", "set l.a 0 9 1\r\n0\r\n", errStore, away},
		{"mg", "get", "mg s.a v q\r\n", errStore, away},
		{"mg, time", "read", "mg s.a t\r\n", errStore, away},
		{"mg, touch", "touch", "mg s.a T9\r\n", errStore, away},
		{"ms", "set", "ms s.a 1 q\r\nx\r\n", errStore, away},
		{"ms, add", "add", "ms s.a 1 ME\r\nx\r\n", errStore, away},
		{"md", "delete", "md s.a q\r\n", errStore, away},
		{"md, cas", "edit", "md s.a C5 q\r\n", errStore, away},
		{"ma", "edit", "ma s.a q\r\n", errStore, away},
		{"noreply", "set", "set s.a 0 0 1 noreply\r\nx\r\n", errStore, ""},
		{"too large", "set", "set s.a 0 0 1\r\nx\r\n", fmt.Errorf("set: %w", backends.ErrTooLarge), large},
		{"key", "set", "set s.a 0 0 1\r\nx\r\n", backends.ErrKey, bad},
		{"time", "get", "get s.a\r\n", context.DeadlineExceeded, "SERVER_ERROR session store did not answer in time\r\n"},
		{"unknown", "set", "set s.a 0 0 1\r\nx\r\n", backends.NewUnknown(context.DeadlineExceeded, "", "", nil), "SERVER_ERROR session store did not answer in time\r\n"},
		{"an id in the text", "get", "get s.secret\r\n", errors.New("duplicate entry 'secret'"), "SERVER_ERROR session store failed\r\n"},
		{"more lines", "get", "get s.a\r\n", errors.New("a\r\nEND\r\n" + strings.Repeat("x", 300)), "SERVER_ERROR a  END  " + strings.Repeat("x", 192) + "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := frontendtest.New(t, web)
			for _, id := range []string{"s.a", "s.secret"} {
				r, _ := f.Resolve([]byte(id))
				f.Set(t.Context(), r, backends.Session{Data: []byte("abc")})
			}
			f.Fault = func(op string, _ kinds.Ref) error {
				if op == tt.op {
					return tt.err
				}
				return nil
			}
			got := frontendtest.Play(t, memcached.New(f, memcached.Options{}), tt.in+"version\r\n")
			if want := tt.want + v; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestFaultAmongKeys fails the i-th key of a get, for all i: one error is the
// whole answer, and where too much has gone out already, the connection ends.
func TestFaultAmongKeys(t *testing.T) {
	for _, hold := range []int{1 << 20, 2000} {
		for i := range 10 {
			f := frontendtest.New(t, web)
			keys := ""
			for n := range 10 {
				name := fmt.Sprintf("s.%d", n)
				keys += " " + name
				r, _ := f.Resolve([]byte(name))
				f.Set(t.Context(), r, backends.Session{Data: []byte(strings.Repeat("x", 500))})
			}
			f.Fault = func(op string, r kinds.Ref) error {
				if op == "get" && r.ID == fmt.Sprint(i) {
					return errStore
				}
				return nil
			}
			got := frontendtest.Play(t, memcached.New(f, memcached.Options{Server: frontends.Options{Hold: hold, Output: 1000}}), "get"+keys+"\r\nversion\r\n")
			if whole := "SERVER_ERROR store is away\r\n" + v; i < 4 || hold > 2000 {
				if got != whole {
					t.Errorf("key %d: got %.100q, want %q", i, got, whole)
				}
			} else if strings.Contains(got, "END") || strings.Contains(got, "ERROR") || strings.Contains(got, v) {
				t.Errorf("key %d: got …%.200q, want the connection to end", i, got[max(0, len(got)-200):])
			}
		}
	}
}

// TestCalls is what reaches the layer.
func TestCalls(t *testing.T) {
	f := frontendtest.New(t, web)
	f.Now = noon
	frontendtest.Play(t, memcached.New(f, memcached.Options{Server: frontends.Options{Now: noon}}), ""+
		"set s.a 7 1440 3\r\nabc\r\n"+ // relative
		"set s.a 0 4102444800 1\r\nx\r\n"+ // absolute
		"set s.a 0 -1 1\r\nx\r\n"+
		"add s.b 0 2678400 0\r\n\r\n"+
		"add s.b 0 30 0\r\n\r\n"+
		"touch s.b 1440\r\ntouch s.b -1\r\ntouch s.b 0\r\n"+
		"gat 60 s.a\r\n"+
		"get s.a l.a s.b\r\n"+
		"add l.a 0 30 1\r\n1\r\nadd l.a 0 0 1\r\n1\r\ndelete l.a\r\n"+
		"delete s.a\r\n"+
		"get other\r\nset other 0 0 1\r\nx\r\ncas s.a 0 0 1 1\r\nx\r\n")
	calls := f.Calls()
	want := []string{`set s.a 7 "abc" 1440s`, `set s.a 0 "x" 2307182400s`, `set s.a 0 "x" past`, `add s.b 0 "" past`, `add s.b 0 "" 30s`,
		"touch s.b 1440s", "delete s.b", "touch s.b 0s", "touch s.a 60s", "get s.a", "get s.b",
		"lock l.a 30s", "lock l.a 0s", "unlock l.a", "delete s.a", "edit s.a"}
	if !slices.Equal(calls, want) {
		t.Errorf("got  %q\nwant %q", calls, want)
	}
}

// TestGets gives equal numbers to equal sessions, and others to others.
func TestGets(t *testing.T) {
	cas := func(set string) string {
		t.Helper()
		out := frontendtest.Play(t, memcached.New(frontendtest.New(t, web), memcached.Options{}), set+"gets s.a\r\n")
		words := strings.Fields(out) // STORED VALUE s.a flags bytes cas …
		if len(words) < 6 || words[5] == "0" {
			t.Fatalf("got %q", out)
		}
		return words[5]
	}
	a := cas("set s.a 5 0 3\r\nabc\r\n")
	if b := cas("set s.a 5 60 3\r\nabc\r\n"); a != b {
		t.Errorf("equal sessions: %s and %s", a, b)
	}
	for _, other := range []string{"set s.a 5 0 3\r\nabd\r\n", "set s.a 6 0 3\r\nabc\r\n", "set s.a 5 0 0\r\n\r\n"} {
		if b := cas(other); a == b {
			t.Errorf("%q has the same number", other)
		}
	}
}
