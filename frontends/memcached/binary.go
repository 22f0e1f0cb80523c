package memcached

import (
	"encoding/binary"

	"github.com/seed-41165957/crossfade/frontends"
)

// First bytes of the binary protocol (protocol-binary.txt).
const (
	binaryRequest  = 0x80
	binaryResponse = 0x81
	binaryHeader   = 24
	binaryUnknown  = 0x81 // status: unknown command
	binaryText     = "binary protocol is not supported by crossfade in this version: set the client to ASCII (php: memcached.sess_binary_protocol=0)"
)

// binary answers a client of the binary protocol in its own, once.
func (h *handler) binary() error {
	request, err := h.c.Bytes(binaryHeader)
	if err != nil {
		return err
	}
	var a [binaryHeader]byte
	a[0], a[1] = binaryResponse, request[1]
	binary.BigEndian.PutUint16(a[6:], binaryUnknown)
	binary.BigEndian.PutUint32(a[8:], uint32(len(binaryText)))
	copy(a[12:16], request[12:16]) // opaque
	h.quiet = false
	h.c.Write(a[:])
	h.unsupported(frontends.ClassBinary, binaryText)
	return frontends.ErrFraming
}
