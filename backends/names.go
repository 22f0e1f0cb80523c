package backends

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Names of what Crossfade itself keeps in a store. migration is
// [a-z0-9-]{1,32}. docs/formats.md has the forms.
const (
	ownPrefix = "crossfade:"
	maxName   = 250 // bytes: memcached's limit, kept in every store
)

// GoneKey names the tombstone of a session. It is at most 250 bytes long, no
// other session has the same, and it is routed as the session is. It lies in
// the session's Redis Cluster slot, except where that cannot be said in 250
// bytes or at all: see sibling.
func GoneKey(migration string, k Key) Key { return sibling(migration, "gone", k) }

// MarkKey names the set of marks of a session, as GoneKey does its tombstone.
func MarkKey(migration string, k Key) Key { return sibling(migration, "mark", k) }

// MarksPrefix is what the names of all marks begin with.
func MarksPrefix(migration string) string { return ownPrefix + migration + ":mark:" }

// SyncKey names the marker that the session was written to the slower tier of
// its store lately; RowKey the one that it stands there.
func SyncKey(migration string, k Key) Key { return sibling(migration, "sync", k) }

// RowKey: see SyncKey.
func RowKey(migration string, k Key) Key { return sibling(migration, "row", k) }

// VersionKey names the count of changes of a session that a store keeps for a
// while where its server cannot tell that one was made.
func VersionKey(migration string, k Key) Key { return sibling(migration, "version", k) }

// FlagsKey names what a store without room for client flags keeps of a session's
// flags, as GoneKey does its tombstone.
func FlagsKey(migration string, k Key) Key { return sibling(migration, "flags", k) }

// BehindKey names the record by which an agent says that old lacks writes of
// its own; it stands in new. start is the agent's start id.
func BehindKey(migration, start string) Key {
	return Key{Name: ownPrefix + migration + ":old-behind:" + start}
}

// NoteKey names a note: a few bytes that agents and whoever moves them tell one
// another by way of a store. name is "epoch", or "agent:" and an agent's name.
// One whose key would be too long for every store, or that could not be routed
// in a Redis Cluster, is hashed, as a session's is. The key stands alone: no
// session lends it a slot.
func NoteKey(migration, name string) Key {
	prefix := ownPrefix + migration + ":"
	plain := len(prefix)+len(name) <= maxName
	for i := range len(name) {
		c := name[i]
		plain = plain && c > ' ' && c < 0x7f && c != '{' && c != '}'
	}
	if !plain {
		kind, rest, ok := strings.Cut(name, ":")
		if !ok {
			kind, rest = "note", name
		}
		b := sha256.Sum256([]byte(rest))
		name = kind + ":{h" + hex.EncodeToString(b[:]) + "}" // braces: no plain name is the same
	}
	return Key{Name: prefix + name}
}

// OwnKey tells whether a stored name is Crossfade's own.
func OwnKey(name string) bool { return strings.HasPrefix(name, ownPrefix) }

func sibling(migration, what string, k Key) Key {
	route := k.Route
	if route == "" {
		route = k.Name
	}
	prefix := ownPrefix + migration + ":" + what + ":"
	return Key{Name: prefix + siblingOf(k.Name, maxName-len(prefix)), Route: route}
}

// siblingOf writes name in at most room bytes, in the first of these forms that
// fits. No two of them can be taken for one another: the first ends at its
// first '}', and the second has a '{' after it, where the third has none.
//
//	{name}           no hash tag, and no '}' that would end one
//	{tag}name        the key's own tag puts the sibling in its slot
//	{tag}h<SHA-256>  of the name
//	=name            a '}' and no tag: no other key can name its slot
//	h<SHA-256>
//
// So the slot is lost for a key without a tag that is longer than room less two
// bytes (200 at least) or has a '}', and for a tag longer than room less 67 (135
// at least; one less for FlagsKey). Package redis refuses such keys in a cluster
// (ErrKey), and takes them elsewhere.
func siblingOf(name string, room int) string {
	sum := func() string {
		b := sha256.Sum256([]byte(name))
		return "h" + hex.EncodeToString(b[:])
	}
	tag, tagged := hashTag(name)
	brace := strings.Contains(name, "}")
	switch {
	case tagged && len(tag)+2+len(name) <= room:
		return "{" + tag + "}" + name
	case tagged && len(tag)+2+1+2*sha256.Size <= room:
		return "{" + tag + "}" + sum()
	case !brace && len(name)+2 <= room:
		return "{" + name + "}"
	case !tagged && brace && len(name)+1 <= room:
		return "=" + name
	}
	return sum()
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
