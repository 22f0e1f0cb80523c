package flags

import (
	"encoding/binary"
	"math/bits"
)

// bucketer is flagd's fractional (core 0.15 and later) for one seed text:
// murmur3 x86 32-bit with seed 0 of seed text + targeting key, times the total,
// shifted right by 32. What can be computed once for the seed text is.
//
// murmur3 is written out: thirty lines that a whole fleet has to agree on for
// the life of a migration are better frozen here, beside their vectors, than
// in a dependency that is free to change; and the state after the seed text
// can be kept.
type bucketer struct {
	h      uint32  // state after the whole 4-byte blocks of the seed text
	tail   [3]byte // what is left of it
	ntail  int
	length uint32 // of seed text and targeting key together
}

func newBucketer(seed string) bucketer {
	b := bucketer{length: uint32(len(seed) + 32)}
	for ; len(seed) >= 4; seed = seed[4:] {
		b.h = mix(b.h, binary.LittleEndian.Uint32([]byte(seed[:4])))
	}
	b.ntail = copy(b.tail[:], seed)
	return b
}

// bucket is between 0 and Buckets-1.
func (b *bucketer) bucket(hash *Hash) uint32 {
	return uint32(uint64(b.sum(hash)) * Buckets >> 32)
}

// sum is murmur3 of the seed text and the targeting key.
func (b *bucketer) sum(hash *Hash) uint32 {
	var buf [36]byte
	n := copy(buf[:], b.tail[:b.ntail])
	hash.hex(buf[n : n+32])
	h := b.h
	for i := 0; i < 32; i += 4 { // n+32 bytes hold eight blocks, and n bytes more
		h = mix(h, binary.LittleEndian.Uint32(buf[i:i+4]))
	}
	if n > 0 {
		// The rest of buf is zero, as murmur3's tail wants it.
		k := binary.LittleEndian.Uint32(buf[32:])
		h ^= bits.RotateLeft32(k*c1, 15) * c2
	}
	h ^= b.length
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// Constants and mixing of MurmurHash3_x86_32 (Austin Appleby, public domain).
const (
	c1 = 0xcc9e2d51
	c2 = 0x1b873593
)

func mix(h, k uint32) uint32 {
	h ^= bits.RotateLeft32(k*c1, 15) * c2
	return bits.RotateLeft32(h, 13)*5 + 0xe6546b64
}
