package redis

import (
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

const slots = 16384

// slotOf is the Redis Cluster slot of a stored name: CRC16 of its hash tag, or
// of all of it (cluster specification, "Key distribution model", "Hash tags").
func slotOf(name string) int {
	if _, rest, ok := strings.Cut(name, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			name = tag
		}
	}
	var crc uint16
	for i := range len(name) {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^name[i]]
	}
	return int(crc % slots)
}

// crcTable is of CRC-16/XMODEM, polynomial 0x1021 (specification, appendix A).
var crcTable = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[i] = crc
	}
	return t
}()

// together refuses, in a cluster, sessions whose tombstone or flags would lie
// in another slot: they could not be written in one step.
func (s *Store) together(ks []backends.Key) error {
	if _, ok := s.layout.(*cluster); !ok {
		return nil
	}
	for _, k := range ks {
		slot := slotOf(k.Name)
		if slotOf(s.gone(k)) != slot || s.opts.KeepFlags && slotOf(s.flagsKey(k)) != slot {
			return backends.ErrKey
		}
	}
	return nil
}
