package kinds

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/alike"
)

// Set is all the kinds of a migration, compiled. It is immutable and safe for
// concurrent use.
type Set struct {
	kinds            []*kind
	client, old, new []entry // locks first, then the longest fixed part
}

// kind is a Kind with its patterns.
type kind struct {
	Kind
	keys, locks     []*pattern
	newKey, newLock *pattern
	synthetic, head string // the form of synthetic ids, and what they begin with
}

type entry struct {
	kind *kind
	p    *pattern
	lock bool
	what string // for messages: where it stands in the configuration
}

// Problem is one thing that is wrong with the kinds.
type Problem struct {
	Kind  int    // index in the list
	Field string // name, keys, locks, new_key, new_lock, format, route, max_age, lock_ttl
	Item  int    // index in keys and locks
	Text  string
}

func (p Problem) String() string {
	return fmt.Sprintf("sessions[%d].%s: %s", p.Kind, p.Field, p.Text)
}

// ProblemError is everything that is wrong with the kinds.
type ProblemError struct{ Problems []Problem }

func (e *ProblemError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return "kinds: " + strings.Join(texts, "; ")
}

var kindName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

// Compile checks the kinds and makes them a Set. The error is a *ProblemError.
func Compile(list []Kind) (*Set, error) {
	c := &compiler{set: &Set{}}
	if len(list) == 0 {
		c.bad(0, "name", 0, "no kinds: at least one is needed")
	}
	for i := range list {
		c.kind(i, list[i])
	}
	c.clash(c.set.client)
	c.clash(c.set.old)
	c.clash(c.set.new)
	if len(c.problems) > 0 {
		return nil, &ProblemError{Problems: c.problems}
	}
	for _, es := range [][]entry{c.set.client, c.set.old, c.set.new} {
		slices.SortStableFunc(es, func(a, b entry) int {
			if a.lock != b.lock {
				if a.lock {
					return -1
				}
				return 1
			}
			return cmp.Compare(b.p.fixed(), a.p.fixed())
		})
	}
	for _, k := range c.set.kinds {
		c.set.reserve(k)
	}
	return c.set, nil
}

type compiler struct {
	set      *Set
	problems []Problem
}

func (c *compiler) bad(kind int, field string, item int, format string, args ...any) {
	c.problems = append(c.problems, Problem{kind, field, item, fmt.Sprintf(format, args...)})
}

func (c *compiler) kind(i int, cfg Kind) {
	k := &kind{Kind: cfg}
	k.Keys, k.Locks, k.Ignore = slices.Clone(cfg.Keys), slices.Clone(cfg.Locks), slices.Clone(cfg.Ignore)
	k.Format, k.Route, k.LockTTL = cmp.Or(k.Format, alike.Bytes), cmp.Or(k.Route, RouteID), cmp.Or(k.LockTTL, DefaultLockTTL)
	if !kindName.MatchString(k.Name) {
		c.bad(i, "name", 0, "%q: accepted are 1 to 32 of a-z, 0-9, _ and -", k.Name)
	}
	for _, other := range c.set.kinds {
		if other.Name == k.Name {
			c.bad(i, "name", 0, "%q stands twice: accepted is a name of its own", k.Name)
		}
	}
	if !slices.Contains(alike.Formats, k.Format) {
		c.bad(i, "format", 0, "%q: accepted are %s", k.Format, strings.Join(alike.Formats, ", "))
	}
	for n, path := range k.Ignore {
		if err := alike.CheckPath(path); err != nil {
			c.bad(i, "ignore", n, "%v", err)
		}
	}
	if len(k.Ignore) > 0 && k.Format == alike.Bytes {
		c.bad(i, "ignore", 0, "stands beside format: bytes, which has no paths: accepted are %s", strings.Join(alike.Formats[1:], ", "))
	}
	if k.Route != RouteID && k.Route != RouteName {
		c.bad(i, "route", 0, "%q: accepted are %s and %s", k.Route, RouteID, RouteName)
	}
	if k.Stays != "" && k.Stays != StaysOld && k.Stays != StaysNew {
		c.bad(i, "stays", 0, "%q: accepted are %s, %s and none", k.Stays, StaysOld, StaysNew)
	}
	if k.Stays == StaysOld && (k.NewKey != "" || k.NewLock != "") {
		c.bad(i, "stays", 0, "stands beside new_key or new_lock: accepted is one of the two, since such keys are never in new")
	}
	if k.MaxAge < 0 {
		c.bad(i, "max_age", 0, "%v: accepted is a positive duration, or 0 for not known", k.MaxAge)
	}
	if k.LockTTL < 0 {
		c.bad(i, "lock_ttl", 0, "%v: accepted is a positive duration", k.LockTTL)
	}
	if len(k.Keys) == 0 {
		c.bad(i, "keys", 0, "none: accepted is one name at least, the first being that in old")
		return
	}
	expr := ""
	for _, text := range k.Keys {
		if _, e, _, err := hole(text); err == nil && expr == "" {
			expr = e
		}
	}
	c.set.kinds = append(c.set.kinds, k)
	k.keys = c.patterns(i, "keys", k.Keys, expr, k, false)
	k.locks = c.patterns(i, "locks", k.Locks, expr, k, true)
	if len(k.keys) < len(k.Keys) || len(k.locks) < len(k.Locks) {
		return
	}
	k.newKey, k.newLock = k.keys[0], nil
	if k.NewKey != "" {
		k.newKey = c.one(i, "new_key", k.NewKey, expr)
	}
	if len(k.locks) > 0 {
		k.newLock = k.locks[0]
	}
	if k.NewLock != "" {
		k.newLock = c.one(i, "new_lock", k.NewLock, expr)
		if len(k.locks) == 0 {
			c.bad(i, "new_lock", 0, "there are no locks: name them under locks too")
		}
	}
	c.stored(i, k)
}

func (c *compiler) patterns(i int, field string, texts []string, expr string, k *kind, lock bool) (ps []*pattern) {
	for n, text := range texts {
		p, err := compile(text, expr)
		if err != nil {
			c.bad(i, field, n, "%v", err)
			continue
		}
		ps = append(ps, p)
		c.set.client = append(c.set.client, entry{k, p, lock, fmt.Sprintf("%d.%s.%d", i, field, n)})
	}
	return ps
}

func (c *compiler) one(i int, field, text, expr string) *pattern {
	p, err := compile(text, expr)
	if err != nil {
		c.bad(i, field, 0, "%v", err)
	}
	return p
}

// stored enters the names under which sessions and locks lie in the stores.
func (c *compiler) stored(i int, k *kind) {
	c.set.old = append(c.set.old, entry{k, k.keys[0], false, fmt.Sprintf("%d.keys.0", i)})
	if len(k.locks) > 0 {
		c.set.old = append(c.set.old, entry{k, k.locks[0], true, fmt.Sprintf("%d.locks.0", i)})
	}
	if k.newKey != nil {
		c.set.new = append(c.set.new, entry{k, k.newKey, false, fmt.Sprintf("%d.new_key.0", i)})
	}
	if k.newLock != nil {
		c.set.new = append(c.set.new, entry{k, k.newLock, true, fmt.Sprintf("%d.new_lock.0", i)})
	}
}

// clash finds names that two entries could claim and neither has the longer
// fixed part. Locks and keys do not clash: locks are tried first.
func (c *compiler) clash(es []entry) {
	for n, b := range es {
		for _, a := range es[:n] {
			if a.lock != b.lock || a.p.fixed() != b.p.fixed() || !a.p.overlaps(b.p) {
				continue
			}
			var i, item int
			var field string
			parts := strings.Split(b.what, ".")
			fmt.Sscan(parts[0], &i)
			field = parts[1]
			fmt.Sscan(parts[2], &item)
			text := fmt.Sprintf("%s%s%s and %s%s%s of %s can be one name, and neither has the longer fixed part: give one of them more fixed text",
				b.p.prefix, "{id}", b.p.suffix, a.p.prefix, "{id}", a.p.suffix, a.kind.Name)
			dup := slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Kind == i && p.Text == text })
			if !dup {
				c.bad(i, field, item, "%s", text)
			}
		}
	}
}

// Kinds gives the kinds as they were configured, with defaults filled in.
func (s *Set) Kinds() []Kind {
	out := make([]Kind, len(s.kinds))
	for i, k := range s.kinds {
		out[i] = k.Kind
		out[i].Keys, out[i].Locks, out[i].Ignore = slices.Clone(k.Keys), slices.Clone(k.Locks), slices.Clone(k.Ignore)
	}
	return out
}

// Resolve tells what a name that a client uses stands for. name may be reused
// after the call. One allocation.
func (s *Set) Resolve(name []byte) (Ref, bool) { return s.ResolveString(string(name)) }

// ResolveString is Resolve of a string; the Ref holds on to it.
func (s *Set) ResolveString(name string) (Ref, bool) { return find(s.client, name) }

// FromOld tells which session a name found in old stands for. What stays where it
// is (Kind.Stays) is none.
func (s *Set) FromOld(name string) (Ref, bool) { return moves(find(s.old, name)) }

// FromNew tells which session a name found in new stands for.
func (s *Set) FromNew(name string) (Ref, bool) { return moves(find(s.new, name)) }

func moves(r Ref, ok bool) (Ref, bool) {
	if ok && r.kind.Stays != "" {
		return Ref{}, false
	}
	return r, ok
}

func find(es []entry, name string) (Ref, bool) {
	for i := range es {
		if id, ok := es[i].p.match(name); ok {
			if backends.OwnKey(name) {
				return Ref{}, false // Crossfade's own, whatever the patterns say
			}
			return Ref{kind: es[i].kind, via: es[i].p, name: name, ID: id, Lock: es[i].lock}, true
		}
	}
	return Ref{}, false
}

// ByID gives the sessions that a bare id may stand for: one of each kind whose
// ids look like that.
func (s *Set) ByID(id string) []Ref {
	var refs []Ref
	for _, k := range s.kinds {
		p := k.keys[0]
		if ref, ok := find(s.old, p.name(id)); ok && ref.kind == k && !ref.Lock && ref.ID == id {
			refs = append(refs, ref)
		}
	}
	return refs
}
