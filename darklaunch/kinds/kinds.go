// Package kinds tells what a name that a client uses stands for: which kind of
// session, which id, data or lock; and what the same session is called in old
// and in new. It promises that one name has one meaning (two kinds that could
// claim it are refused when they are configured), and that a name which was
// resolved can be built again, byte for byte.
//
//	set, err := kinds.Compile([]kinds.Kind{{
//		Name:   "php",
//		Keys:   []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"},
//		Locks:  []string{"memc.sess.key.lock.{id}"},
//		NewKey: "PHPREDIS_SESSION:{id}",
//	}})
//	ref, ok := set.ResolveString("memc.sess.key.q9pr2r6v3vsl9c1n2v3hm1b7gd")
//	ref.NewKey().Name // "PHPREDIS_SESSION:q9pr2r6v3vsl9c1n2v3hm1b7gd"
package kinds

import "time"

// Kind is one population of sessions, as it is configured. A name is fixed
// text with one {id} or {id: expression}, a Go regular expression that the
// whole id must match; {id} alone takes the first expression of the Keys.
type Kind struct {
	// Name of the kind: [a-z0-9_-]{1,32}. It is a label in metrics.
	Name string
	// Keys are the names that clients use, one at least; the first is the name
	// in old.
	Keys []string
	// Locks are the names of the session's lock; the first is that in old.
	Locks []string
	// NewKey and NewLock are the names in new. Empty: as in old.
	NewKey, NewLock string
	// Format is how the data is compared: one of alike.Formats. Empty is bytes.
	Format string
	// Ignore are paths in the data that do not count when it is compared
	// (alike.Same); none where Format is bytes.
	Ignore []string
	// Route says what a ring of servers hashes: RouteID or RouteName. Empty is
	// RouteID.
	Route string
	// MaxAge is the longest life of a session; 0: not known.
	MaxAge time.Duration
	// LockTTL is the longest life of a lock; one asked for longer is granted
	// as this. 0 is 30 s.
	LockTTL time.Duration
	// Flags are the client flags that this kind usually has.
	Flags uint32
	// Stays, where set, says that these are no sessions that move, but other keys
	// of the same clients: all of them are in old (StaysOld) or in new (StaysNew),
	// whatever the flags say, and are never mirrored, copied or compared.
	Stays string
}

// Where a kind stays.
const (
	StaysOld = "old"
	StaysNew = "new"
)

// What a ring hashes.
const (
	// RouteID leaves out what stands before the id in the session's key, in
	// the names of locks too. libmemcached does not hash a namespace, and
	// php-memcached gives memcached.sess_prefix as one: a session goes by the
	// bare id, its lock by "lock.<id>".
	RouteID = "id"
	// RouteName is the whole name: clients that put the prefix in themselves
	// (Node, Python, pymemcache …).
	RouteName = "name"
)

// DefaultLockTTL is php-memcached's and phpredis's own longest wait, and what
// RULES.md counts with.
const DefaultLockTTL = 30 * time.Second
