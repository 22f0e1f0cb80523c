package kinds

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
)

var php = Kind{
	Name:   "php",
	Keys:   []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}", "sess_{id}"},
	Locks:  []string{"memc.sess.key.lock.{id}"},
	NewKey: "PHPREDIS_SESSION:{id}", NewLock: "PHPREDIS_SESSION:{id}_LOCK",
}

var node = Kind{Name: "node", Keys: []string{"sess:{id: [A-Za-z0-9_-]{32}}"}, Route: RouteName}

// odd has an expression that only regexp can match, and a tag around the id.
var odd = Kind{Name: "odd", Keys: []string{"app:{{id: (?:a|b)[0-9]{2,4}x?}}:s"}, NewKey: "new:{id}"}

// plain ids stand alone, as connect-memcached's do; every other pattern has
// more fixed text.
var plain = Kind{Name: "plain", Keys: []string{"{id: [^:{} ]+}"}, NewKey: "plain:{id}"}

func mustCompile(t testing.TB, ks ...Kind) *Set {
	t.Helper()
	s, err := Compile(ks)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestResolve(t *testing.T) {
	s := mustCompile(t, plain, php, node, odd)
	key := func(name, route string) backends.Key { return backends.Key{Name: name, Route: route} }
	none := backends.Key{}
	id32 := "0123456789abcdefABCDEF-_01234567"
	tests := []struct {
		name, kind, id                   string
		lock                             bool
		oldKey, newKey, oldLock, newLock backends.Key
	}{
		{"memc.sess.key.abc,-9", "php", "abc,-9", false, key("memc.sess.key.abc,-9", "abc,-9"), key("PHPREDIS_SESSION:abc,-9", "abc,-9"),
			key("memc.sess.key.lock.abc,-9", "lock.abc,-9"), key("PHPREDIS_SESSION:abc,-9_LOCK", "abc,-9_LOCK")},
		{"memc.sess.key.lock.abc", "php", "abc", true, key("memc.sess.key.abc", "abc"), key("PHPREDIS_SESSION:abc", "abc"),
			key("memc.sess.key.lock.abc", "lock.abc"), key("PHPREDIS_SESSION:abc_LOCK", "abc_LOCK")},
		{"memc.sess.key.lock", "php", "lock", false, key("memc.sess.key.lock", "lock"), key("PHPREDIS_SESSION:lock", "lock"),
			key("memc.sess.key.lock.lock", "lock.lock"), key("PHPREDIS_SESSION:lock_LOCK", "lock_LOCK")},
		{"sess_q1", "php", "q1", false, key("memc.sess.key.q1", "q1"), key("PHPREDIS_SESSION:q1", "q1"),
			key("memc.sess.key.lock.q1", "lock.q1"), key("PHPREDIS_SESSION:q1_LOCK", "q1_LOCK")},
		{"sess:" + id32, "node", id32, false, key("sess:"+id32, ""), key("sess:"+id32, ""), none, none},
		{"app:{a123x}:s", "odd", "a123x", false, key("app:{a123x}:s", "a123x}:s"), key("new:a123x", "a123x"), none, none},
		{"app:{b12}:s", "odd", "b12", false, key("app:{b12}:s", "b12}:s"), key("new:b12", "b12"), none, none},
		{"anything", "plain", "anything", false, key("anything", "anything"), key("plain:anything", "anything"), none, none},
		{"memc.sess.key.a.b", "plain", "memc.sess.key.a.b", false, key("memc.sess.key.a.b", "memc.sess.key.a.b"), key("plain:memc.sess.key.a.b", "memc.sess.key.a.b"), none, none},
		{"grün\xff", "plain", "grün\xff", false, key("grün\xff", "grün\xff"), key("plain:grün\xff", "grün\xff"), none, none},
	}
	for _, tt := range tests {
		ref, ok := s.Resolve([]byte(tt.name))
		if !ok {
			t.Errorf("%q: not resolved", tt.name)
			continue
		}
		if again, ok := s.ResolveString(tt.name); !ok || again != ref {
			t.Errorf("%q: ResolveString gives %+v, Resolve %+v", tt.name, again, ref)
		}
		if ref.Kind().Name != tt.kind || ref.ID != tt.id || ref.Lock != tt.lock || ref.Name() != tt.name {
			t.Errorf("%q: %s %q lock %v name %q, want %s %q lock %v", tt.name, ref.Kind().Name, ref.ID, ref.Lock, ref.Name(), tt.kind, tt.id, tt.lock)
		}
		for what, pair := range map[string][2]backends.Key{
			"OldKey": {ref.OldKey(), tt.oldKey}, "NewKey": {ref.NewKey(), tt.newKey},
			"OldLock": {ref.OldLock(), tt.oldLock}, "NewLock": {ref.NewLock(), tt.newLock},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%q: %s = %+v, want %+v", tt.name, what, pair[0], pair[1])
			}
		}
	}
	for _, name := range []string{"", "sess:short", "app:{c12}:s", "app:{a1}:s", "app:{a12}:t", "x:y", "crossfade:sessions:epoch", "a b", "new:a12"} {
		if ref, ok := s.ResolveString(name); ok {
			t.Errorf("%q resolved to %s %q, want nothing", name, ref.Kind().Name, ref.ID)
		}
	}
}

// TestFromStores: what is found in a store leads back to the session, by the
// names of that store only.
func TestFromStores(t *testing.T) {
	s := mustCompile(t, php, node)
	for _, tt := range []struct {
		find func(string) (Ref, bool)
		name string
		id   string // "": nothing
		lock bool
	}{
		{s.FromOld, "memc.sess.key.abc", "abc", false},
		{s.FromOld, "memc.sess.key.lock.abc", "abc", true},
		{s.FromOld, "sess_abc", "", false}, // a name that clients use, not one in old
		{s.FromOld, "PHPREDIS_SESSION:abc", "", false},
		{s.FromNew, "PHPREDIS_SESSION:abc", "abc", false},
		{s.FromNew, "PHPREDIS_SESSION:abc_LOCK", "abc", true},
		{s.FromNew, "memc.sess.key.abc", "", false},
		{s.FromNew, "crossfade:sessions:mark:{abc}", "", false},
	} {
		ref, ok := tt.find(tt.name)
		if ok != (tt.id != "") || ok && (ref.ID != tt.id || ref.Lock != tt.lock || ref.Name() != tt.name) {
			t.Errorf("%q: %+v, %v, want %q, lock %v", tt.name, ref, ok, tt.id, tt.lock)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	key := func(keys ...string) Kind { return Kind{Name: "k", Keys: keys} }
	tests := []struct {
		name string
		ks   []Kind
		want string
	}{
		{"none", nil, "at least one"},
		{"no keys", []Kind{{Name: "k"}}, "sessions[0].keys"},
		{"bad name", []Kind{{Name: "K 1", Keys: php.Keys}}, "sessions[0].name"},
		{"no id", []Kind{key("sess")}, "one {id}"},
		{"two ids", []Kind{key("{id: [a-z]+}:{id}")}, "two ids"},
		{"no expression", []Kind{key("s:{id}")}, "what an id is"},
		{"open brace", []Kind{key("s:{id: [a-z]+")}, "close"},
		{"bad expression", []Kind{key("s:{id: [z-a]+}")}, "s:"},
		{"empty id", []Kind{key("s:{id: [a-z]*}")}, "cannot be empty"},
		{"empty id, regexp", []Kind{key("s:{id: (ab)?}")}, "cannot be empty"},
		{"space", []Kind{key("s {id: [a-z]+}")}, "spaces"},
		{"bad format", []Kind{{Name: "k", Keys: php.Keys, Format: "xml"}}, "bytes, php, php_serialize, json"},
		{"a format that is not judged", []Kind{{Name: "k", Keys: php.Keys, Format: "igbinary"}}, "sessions[0].format"},
		{"bad path", []Kind{{Name: "k", Keys: php.Keys, Format: "php", Ignore: []string{"a", "b..c"}}}, "sessions[0].ignore"},
		{"paths in bytes", []Kind{{Name: "k", Keys: php.Keys, Ignore: []string{"a"}}}, "has no paths"},
		{"bad route", []Kind{{Name: "k", Keys: php.Keys, Route: "hash"}}, "sessions[0].route"},
		{"negative age", []Kind{{Name: "k", Keys: php.Keys, MaxAge: -1}}, "max_age"},
		{"new lock alone", []Kind{{Name: "k", Keys: php.Keys, NewLock: "l:{id}"}}, "no locks"},
		{"name twice", []Kind{php, {Name: "php", Keys: []string{"x:{id: a+}"}}}, "sessions[1].name"},
		{"same keys", []Kind{php, {Name: "other", Keys: []string{"memc.sess.key.{id: [a-f]+}"}, NewKey: "n:{id}"}}, "sessions[1].keys"},
		{"same length, other split", []Kind{key("a{id: [a-z]+}"), {Name: "l", Keys: []string{"{id: [a-z]+}b"}}}, "sessions[1].keys"},
		{"same new keys", []Kind{key("a:{id: [a-z]+}"), {Name: "l", Keys: []string{"b:{id: [a-z]+}"}, NewKey: "a:{id}"}}, "sessions[1].new_key"},
		{"a regexp might", []Kind{key("s:{id: (x|y)+}"), {Name: "l", Keys: []string{"s:{id: [a-b]+}"}}}, "sessions[1].keys"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(tt.ks)
			var pe *ProblemError
			if !errors.As(err, &pe) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a ProblemError that tells %q", err, tt.want)
			}
		})
	}
	for name, ks := range map[string][]Kind{
		"other ids":      {key("s:{id: [a-f]+}"), {Name: "l", Keys: []string{"s:{id: [0-9]+}"}}},
		"other lengths":  {key("s:{id: [a-f]{8}}"), {Name: "l", Keys: []string{"s:{id: [a-f]{9,}}"}}},
		"longer fixed":   {key("s:{id: [a-f:]+}"), {Name: "l", Keys: []string{"s:a:{id: [a-f]+}"}}},
		"lock and key":   {{Name: "k", Keys: []string{"s:{id: [a-f]+}"}, Locks: []string{"l:{id}"}}},
		"a name for new": {{Name: "k", Keys: []string{"s:{id: [a-f]+}", "n:{id}"}, NewKey: "n:{id}"}},
	} {
		if _, err := Compile(ks); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzResolve: what resolves is built again as the same name, and what a store
// holds under the built key leads to the same session. The table agrees with
// regexp.
func FuzzResolve(f *testing.F) {
	s := mustCompile(f, plain, php, node, odd)
	for _, seed := range []string{"memc.sess.key.abc", "memc.sess.key.lock.a", "sess:0123456789abcdefABCDEF-_01234567", "app:{a123x}:s", "x\xffy", "ab:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, e := range s.client {
			re, err := compileSlow(e.p)
			if err != nil {
				t.Fatal(err)
			}
			if _, got := e.p.match(name); got != re(name) {
				t.Errorf("%q by %s: %v, regexp says %v", name, e.what, got, !got)
			}
		}
		ref, ok := s.ResolveString(name)
		if !ok {
			return
		}
		if ref.Name() != name || ref.ID == "" {
			t.Fatalf("%q is built again as %q", name, ref.Name())
		}
		back, ok := s.FromOld(ref.OldKey().Name)
		if !ok || back.ID != ref.ID && back.kind == ref.kind {
			t.Errorf("%q: %q in old leads to %q, %v", name, ref.OldKey().Name, back.ID, ok)
		}
	})
}
