package flags

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// Hash stands for a session id wherever the id itself must not be seen: the
// first 16 bytes of SHA-256(key ‖ id). Its text, 32 lower-case hex digits, is
// the flag's targeting key.
type Hash [16]byte

// String is the targeting key.
func (h Hash) String() string {
	var b [32]byte
	h.hex(b[:])
	return string(b[:])
}

const hexDigits = "0123456789abcdef"

// hex writes the 32 digits into b.
func (h *Hash) hex(b []byte) {
	_ = b[31]
	for i, v := range h {
		b[2*i] = hexDigits[v>>4]
		b[2*i+1] = hexDigits[v&15]
	}
}

// errHash does not show what it refuses: that may be a session id.
var errHash = errors.New("flags: not a session hash: accepted are 32 lower-case hex digits (never the session id itself)")

// ParseHash reads what String writes.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 32 {
		return Hash{}, errHash
	}
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'F' {
			return Hash{}, errHash
		}
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, errHash
	}
	return h, nil
}

// KeySize is the length of a hash key in bytes.
const KeySize = 32

// Hasher makes Hashes with one key. It is safe for concurrent use and never
// prints its key.
type Hasher struct {
	key [KeySize]byte
}

// NewHasher takes a key of 32 random bytes; the bytes are copied.
func NewHasher(key []byte) (*Hasher, error) {
	if len(key) != KeySize {
		return nil, errors.New("flags: a hash key has 32 bytes: let the agent make one (agent.key_file)")
	}
	h := &Hasher{}
	copy(h.key[:], key)
	return h, nil
}

// Token stands for a session's data and flags: the first 8 bytes of
// SHA-256(key ‖ 0 ‖ flags ‖ data), big-endian, and 1 for 0, which stands for
// none in the protocols. (No id begins with a 0, so that no Hash is a Token.)
func (h *Hasher) Token(flags uint32, data []byte) uint64 {
	sum := sha256.New()
	var head [KeySize + 5]byte
	copy(head[:], h.key[:])
	binary.BigEndian.PutUint32(head[KeySize+1:], flags)
	sum.Write(head[:])
	sum.Write(data)
	var out [sha256.Size]byte
	return max(1, binary.BigEndian.Uint64(sum.Sum(out[:0])))
}

// stackID is the longest id that is hashed without an allocation: a Store's
// names have 250 bytes at most.
const stackID = 256

// Sum is the hash of a session id.
func (h *Hasher) Sum(id []byte) Hash {
	var buf [KeySize + stackID]byte
	if len(id) > stackID {
		return first16(sha256.Sum256(append(h.key[:len(h.key):len(h.key)], id...)))
	}
	copy(buf[:], h.key[:])
	n := KeySize + copy(buf[KeySize:], id)
	return first16(sha256.Sum256(buf[:n]))
}

// SumString is Sum of a string.
func (h *Hasher) SumString(id string) Hash {
	var buf [KeySize + stackID]byte
	if len(id) > stackID {
		return h.Sum([]byte(id))
	}
	copy(buf[:], h.key[:])
	n := KeySize + copy(buf[KeySize:], id)
	return first16(sha256.Sum256(buf[:n]))
}

func first16(sum [sha256.Size]byte) Hash { return Hash(sum[:16]) }

// Digest tells two keys apart without giving either away: agents compare it.
// 32 hex digits. It is no session's hash: what is hashed begins with a text,
// not with the key.
func (h *Hasher) Digest() string {
	sum := sha256.Sum256(append([]byte("crossfade hash key\x00"), h.key[:]...))
	return hex.EncodeToString(sum[:16])
}

// String keeps the key out of logs.
func (h *Hasher) String() string { return "<secret>" }

// GoString keeps the key out of %#v.
func (h *Hasher) GoString() string { return "<secret>" }
