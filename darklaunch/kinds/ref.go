package kinds

import (
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

// Ref is one session, or its lock. The zero Ref is none, and may only be
// compared.
type Ref struct {
	ID   string
	Lock bool // the name was that of the lock

	kind *kind
	via  *pattern // by which it was resolved
	name string   // that it was resolved from; ID is a part of it
}

// Kind that the session is of.
func (r Ref) Kind() *Kind { return &r.kind.Kind }

// Name is the name that was resolved.
func (r Ref) Name() string { return r.name }

// OldKey is the session's key in old.
func (r Ref) OldKey() backends.Key { return r.key(r.kind.keys[0], r.kind.keys[0]) }

// NewKey is the session's key in new.
func (r Ref) NewKey() backends.Key { return r.key(r.kind.newKey, r.kind.newKey) }

// OldLock is the lock's key in old; the zero Key if the kind has no locks.
func (r Ref) OldLock() backends.Key {
	if len(r.kind.locks) == 0 {
		return backends.Key{}
	}
	return r.key(r.kind.locks[0], r.kind.keys[0])
}

// NewLock is the lock's key in new; the zero Key if the kind has no locks.
func (r Ref) NewLock() backends.Key {
	if r.kind.newLock == nil {
		return backends.Key{}
	}
	return r.key(r.kind.newLock, r.kind.newKey)
}

// key builds a name. The fixed text before the id in the session's key is what
// a client gives its library as a namespace, which a ring leaves out.
func (r Ref) key(p, session *pattern) backends.Key {
	k := backends.Key{Name: r.name, Usual: r.kind.Flags}
	if p != r.via {
		k.Name = p.name(r.ID)
	}
	if r.kind.Route == RouteID {
		if rest, ok := strings.CutPrefix(k.Name, session.prefix); ok {
			k.Route = rest
		}
	}
	return k
}
