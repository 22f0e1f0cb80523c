#!/usr/bin/env python3
"""An independent reference for the hashes and buckets: prints the table that
is frozen in vectors_test.go. murmur3 is written from its description, without
looking at the Go code; flagd's formula (fractional, core >= 0.15) is
(murmur3_x86_32(seed + targetingKey, seed=0) * total) >> 32.

    python3 vectors.py
"""
import hashlib

M = 0xFFFFFFFF


def rotl(x, r):
    return ((x << r) | (x >> (32 - r))) & M


def murmur3_x86_32(data, seed=0):
    h = seed
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little")
        k = rotl(k * 0xCC9E2D51 & M, 15) * 0x1B873593 & M
        h = (rotl(h ^ k, 13) * 5 + 0xE6546B64) & M
    if whole < len(data):
        k = int.from_bytes(data[whole:], "little")
        h ^= rotl(k * 0xCC9E2D51 & M, 15) * 0x1B873593 & M
    h ^= len(data)
    h ^= h >> 16
    h = h * 0x85EBCA6B & M
    h ^= h >> 13
    h = h * 0xC2B2AE35 & M
    return h ^ h >> 16


# Published vectors of MurmurHash3_x86_32.
assert murmur3_x86_32(b"") == 0
assert murmur3_x86_32(b"", 1) == 0x514E28B7
assert murmur3_x86_32(b"test") == 0xBA6BD213
assert murmur3_x86_32(b"Hello, world!") == 0xC0363E43
assert murmur3_x86_32(b"The quick brown fox jumps over the lazy dog") == 0x2E4FF723

KEY = bytes(range(32))
IDS = ["", "a", "q9pr2r6v3vsl9c1n2v3hm1b7gd", "tj0g5j8vrrp6m9nkhkfo6bk2lb", "sess:42",
       "0123456789abcdef0123456789abcdef", "naïve,ünïcode", "x" * 250, "y" * 300]
SEEDS = ["", "b", "ab", "abc", "abcd", "sessions-2026.11"]  # every length of murmur3's tail

for i in IDS:
    key = hashlib.sha256(KEY + i.encode()).digest()[:16].hex()
    row = [murmur3_x86_32(((s or "crossfade-stage") + key).encode()) * 10000 >> 32 for s in SEEDS]
    name = 'strings.Repeat("%s", %d)' % (i[0], len(i)) if len(i) > 100 else '"%s"' % i
    print('\t{%s, "%s", [6]int{%s}},' % (name, key, ", ".join(map(str, row))))
