package ring

import (
	"crypto/md5"
	"encoding/binary"
)

// hashes are the ways in which clients make a number of a key. Their bytes are
// C's signed chars where that makes a difference.
var hashes = map[string]func(string) uint32{
	"md5":           md5Hash,
	"one_at_a_time": oneAtATime,
	"fnv1a_64":      fnv1a64,
}

// md5Hash is the first four bytes of the digest, the least first (libketama,
// ketama_hashi).
func md5Hash(key string) uint32 {
	sum := md5.Sum([]byte(key))
	return binary.LittleEndian.Uint32(sum[:])
}

// oneAtATime is Bob Jenkins' hash, libmemcached's default without a continuum.
func oneAtATime(key string) uint32 {
	var h uint32
	for i := range len(key) {
		h += uint32(int8(key[i]))
		h += h << 10
		h ^= h >> 6
	}
	h += h << 3
	h ^= h >> 11
	return h + h<<15
}

// fnv1a64 is what twemproxy and libmemcached call so, and twemproxy's default:
// FNV-1a with the 64-bit constants cut to 32 bits.
func fnv1a64(key string) uint32 {
	const offset, prime = 0xcbf29ce484222325 & 0xffffffff, 0x100000001b3 & 0xffffffff
	h := uint32(offset)
	for i := range len(key) {
		h ^= uint32(int8(key[i]))
		h *= prime
	}
	return h
}
