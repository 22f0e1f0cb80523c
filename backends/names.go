package backends

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Names of what Crossfade itself keeps in a store. migration is
// [a-z0-9-]{1,32}. The longest is 250 bytes, memcached's limit.
const (
	ownPrefix = "crossfade:"
	tagLimit  = 200 // bytes of a session key that fit; longer ones are hashed
)

// GoneKey names the tombstone of a session. It is routed as the session is,
// and lies in the same Redis Cluster slot.
func GoneKey(migration string, k Key) Key { return sibling(migration, "gone", k) }

// MarkKey names the set of marks of a session, routed as the session is.
func MarkKey(migration string, k Key) Key { return sibling(migration, "mark", k) }

// BehindKey names the record by which an agent says that old lacks writes of
// its own; it stands in new. start is the agent's start id.
func BehindKey(migration, start string) Key {
	return Key{Name: ownPrefix + migration + ":old-behind:" + start}
}

// OwnKey tells whether a stored name is Crossfade's own.
func OwnKey(name string) bool { return strings.HasPrefix(name, ownPrefix) }

func sibling(migration, what string, k Key) Key {
	route := k.Route
	if route == "" {
		route = k.Name
	}
	tag := k.Name
	if t, ok := hashTag(k.Name); ok {
		// The key's own tag puts the sibling in its slot; the whole name
		// follows, so that two keys of one tag have two siblings.
		name := k.Name
		if len(name)+len(t) > tagLimit-1 {
			sum := sha256.Sum256([]byte(name))
			name = "h" + hex.EncodeToString(sum[:])
		}
		return Key{Name: ownPrefix + migration + ":" + what + ":{" + t + "}" + name, Route: route}
	}
	if len(tag) > tagLimit {
		sum := sha256.Sum256([]byte(tag))
		tag = "h" + hex.EncodeToString(sum[:])
	}
	return Key{Name: ownPrefix + migration + ":" + what + ":{" + tag + "}", Route: route}
}

// hashTag is what Redis Cluster hashes of a key that has a tag of its own: the
// bytes between the first '{' and the first '}' after it, if there are any
// (Redis Cluster specification, "Hash tags").
func hashTag(name string) (string, bool) {
	_, rest, ok := strings.Cut(name, "{")
	if !ok {
		return "", false
	}
	tag, _, ok := strings.Cut(rest, "}")
	return tag, ok && tag != ""
}
