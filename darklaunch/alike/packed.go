package alike

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
)

// The client flags of php-memcached (php_memcached.c): four bits of type, then
// what was done to the value.
const (
	packedType = 0xf
	packed     = 1 << 4
	packedZlib = 1 << 5
	packedFast = 1 << 6
	// packedBits are those that may differ between two values of one meaning.
	packedBits = packed | packedZlib | packedFast
)

// plainMost bounds what is unpacked: memcached takes values up to 1 MiB unless
// it is told otherwise, and sessions shrink to a tenth at most in practice.
const plainMost = 16 << 20

// Plain is a value as php-memcached gives it to PHP: what it has compressed (its
// length in four bytes, little-endian, then zlib's format or FastLZ) is unpacked.
// Flags are those of the item; rest are the flags but for those that say how it
// was compressed. A value that is not compressed, or is not what its flags say,
// comes back as it is.
func Plain(flags uint32, data []byte) (plain []byte, rest uint32) {
	if flags&packed == 0 || flags&(packedZlib|packedFast) == 0 || len(data) < 4 {
		return data, flags
	}
	size := int64(binary.LittleEndian.Uint32(data))
	if size > plainMost {
		return data, flags
	}
	var ok bool
	if flags&packedZlib != 0 {
		plain, ok = inflate(data[4:], size)
	} else {
		plain, ok = fastlz(data[4:], int(size))
	}
	if !ok || int64(len(plain)) != size {
		return data, flags
	}
	return plain, flags &^ packedBits
}

func inflate(data []byte, size int64) ([]byte, bool) {
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	defer r.Close()
	var out bytes.Buffer // grows with what comes, not with what the length says
	n, err := io.Copy(&out, io.LimitReader(r, size+1))
	return out.Bytes(), err == nil && n == size
}

// fastlz unpacks FastLZ (ariya/FastLZ, format of block levels 1 and 2). Each
// byte that is read gives at most some 260, so memory is bounded by the data.
func fastlz(in []byte, size int) ([]byte, bool) {
	if len(in) == 0 || size > 300*len(in) {
		return nil, false
	}
	level := in[0]>>5 + 1
	if level > 2 {
		return nil, false
	}
	out := make([]byte, 0, min(size, 64*len(in)))
	at, ctrl := 1, int(in[0]&31)
	next := func() (int, bool) {
		if at >= len(in) {
			return 0, false
		}
		at++
		return int(in[at-1]), true
	}
	for {
		if ctrl < 32 { // a run of literals
			n := ctrl + 1
			if n > len(in)-at || len(out)+n > size {
				return nil, false
			}
			out = append(out, in[at:at+n]...)
			at += n
		} else {
			n, back := ctrl>>5-1, (ctrl&31)<<8
			if n == 6 { // a longer match
				for {
					c, ok := next()
					if !ok {
						return nil, false
					}
					n += c
					if level == 1 || c != 255 {
						break
					}
				}
			}
			c, ok := next()
			if !ok {
				return nil, false
			}
			back += c + 1
			if level == 2 && c == 255 && back-c-1 == 31<<8 { // a farther one
				hi, _ := next()
				lo, ok := next()
				if !ok {
					return nil, false
				}
				back = hi<<8 + lo + 8192
			}
			n += 3
			if back > len(out) || len(out)+n > size {
				return nil, false
			}
			for range n { // byte by byte: a match may overlap itself
				out = append(out, out[len(out)-back])
			}
		}
		if at >= len(in) {
			return out, true
		}
		ctrl, _ = next()
	}
}
